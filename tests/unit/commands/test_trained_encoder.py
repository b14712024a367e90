from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import Checkpoint, load_checkpoint
from hico_platform.commands import trained_encoder as module
from hico_platform.commands.trained_encoder import SourceKind, trained_encoder
from hico_platform.config.schema import replace
from hico_platform.data.layout import KINECT_V1
from hico_platform.data.normalise import Normalisation
from hico_platform.errors import CheckpointError, DataError, UsageError
from hico_platform.tracking import registered_model
from tests.unit.commands.trained import Trained

CPU = torch.device("cpu")


def test_whatever_holds_it_is_the_same_encoder(trained: Trained) -> None:
    run = trained.run("run")
    checkpoint = next(run.glob("epoch-*"))
    weights = load_checkpoint(checkpoint).tensors
    found = [trained_encoder(str(source)) for source in (run, checkpoint, run / "encoder")]
    assert [each.kind for each in found] == [SourceKind.CHECKPOINT, SourceKind.CHECKPOINT, SourceKind.EXPORTED]
    assert len({each.digest for each in found}) == 1
    for each in found:
        assert each.epochs == 1
        assert each.provenance["scored_on"] == "val"
        assert each.normalisation is Normalisation.RELEASED
        built = each.build(device=CPU)
        assert not built.training
        state = built.state_dict()
        for name, value in state.items():
            assert torch.equal(value, weights[f"model/query.encoder.{name}"])


def test_the_digest_is_that_of_the_weights(trained: Trained) -> None:
    one = trained_encoder(str(trained.run("run")))
    name = next(iter(one.weights))
    other = dict(one.weights) | {name: one.weights[name] + 1}
    assert dataclasses.replace(one, weights=other).digest != one.digest


def test_the_untrained_encoder_is_that_of_the_configuration_and_its_seed(trained: Trained) -> None:
    one = trained_encoder(str(trained.run("run")))
    states = [one.untrained(device=CPU).state_dict() for _ in range(2)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])
    assert any(not torch.equal(value, one.weights[name]) for name, value in states[0].items())


def test_the_newest_checkpoint_of_a_run_counts(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.run("run"), run)
    newest = next(run.glob("epoch-*")).rename(run / "epoch-000001-1")
    (run / "epoch-000000").mkdir()
    assert trained_encoder(str(run)).epochs == 1
    (newest / "state.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError):
        trained_encoder(str(run))
    assert newest.exists(), "reading renames nothing"


def test_what_is_no_checkpoint_is_named(tmp_path: Path, trained: Trained) -> None:
    with pytest.raises(UsageError, match=r"got '.*nothing'; check the path"):
        trained_encoder(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="name the folder epoch"):
        trained_encoder(str(tmp_path))
    with pytest.raises(UsageError, match="name the folder epoch"):
        trained_encoder(str(trained.store.directory))


def test_a_checkpoint_of_something_else_is_refused(trained: Trained, tmp_path: Path) -> None:
    found = load_checkpoint(next(trained.run("run").glob("epoch-*")))
    for tensors, facts in (({}, found.facts), (found.tensors, {"config": found.facts["config"]})):
        changed = Checkpoint(path=tmp_path, epoch=1, tensors=tensors, facts=facts)
        with pytest.raises(CheckpointError, match="a checkpoint of a pretraining"):
            module._of_checkpoint(changed, "x", kind=SourceKind.CHECKPOINT)


def test_data_of_another_kind_is_refused_with_what_to_do(trained: Trained) -> None:
    encoder = trained_encoder(str(trained.run("run")))
    encoder.check_fits(trained.store, field="data")
    for change, said in (
        ({"normalisation": Normalisation.UPRIGHT}, "poses normalised as upright.*--normalisation upright"),
        (
            {"normalisation": None},
            "poses as recorded.*got 'poses normalised as released'; give a store of poses as rec",
        ),
        ({"layout": KINECT_V1}, "layout kinect-v1, of 20 joints, got 'kinect-v2, of 25 joints'; use `.*data map .*v1"),
        ({"coordinates": 2}, "poses of 2 coordinates a joint, got '3'; prepare 2D poses"),
    ):
        with pytest.raises(DataError, match=said):
            dataclasses.replace(encoder, **change).check_fits(trained.store, field="data")


def test_the_stream_is_that_of_the_configuration(trained: Trained) -> None:
    encoder = trained_encoder(str(trained.run("run")))
    bone = dataclasses.replace(encoder, config=replace(encoder.config, {"views.stream": "bone"}))
    assert (encoder.stream.value, bone.stream.value) == ("joint", "bone")
    assert json.dumps(dict(encoder.provenance))


def test_a_registered_model_is_read_from_what_the_registry_gives(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = trained.run("run") / "encoder"
    monkeypatch.setattr(registered_model, "fetch_registered", lambda tracker, uri, into: given)
    (tmp_path / "mlflow.db").touch()
    found = trained_encoder("models:/mine@champion", tracking=f"sqlite:///{tmp_path}/mlflow.db")
    assert found.kind is SourceKind.REGISTERED
    assert found.digest == trained_encoder(str(given)).digest

"""What reaches the function that the command calls, and what comes back of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hico_platform as hico
from hico_platform.api.pretraining import Pretraining, config_document
from hico_platform.commands import pretrain as command
from hico_platform.enums import Decision
from hico_platform.train.loop import EpochResult
from tests.small import small_store
from tests.toy import toy_outcome, toy_report

CONFIG = {"model": {"encoder": "gru"}, "views": {"min_crop_frames": 8}, "budget": {"epochs": 4}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_store(tmp_path_factory.mktemp("data") / "store", count=24).directory


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is trained, and where; two epochs and a validation come of it."""
    found: dict[str, Any] = {"metrics": {"knn_top1": 0.5124}}

    def train(**named: Any) -> Any:
        found.update(named)
        for epoch, loss in ((3, 2.0), (4, 1.5)):
            named["watch"](EpochResult(epoch=epoch, losses={"loss": loss}, sequences_per_s=80.0))
        assert named["report"](toy_report(4, 0.5124)) is Decision.CONTINUE
        outcome = dataclasses.replace(
            toy_outcome(4), metrics=found["metrics"], checkpoint=named["directory"] / "epoch-4"
        )
        return SimpleNamespace(dataset="small", digest="d" * 64), outcome

    monkeypatch.setattr(command, "pretrain_one", train)
    monkeypatch.setattr("hico_platform.checkpoint.precision_of", lambda folder: f"precision of {folder.name}")
    return found


def test_curves_losses_and_what_they_depend_on(called: dict[str, Any], store: Path, tmp_path: Path) -> None:
    run = hico.pretrain(CONFIG, data=store, protocol="odd-subjects", home=tmp_path / "home", cpus=2)
    assert (run.epochs, run.trained_now) == (4, 2), "the others were trained by a call that was interrupted"
    assert run.curve.to_dict("records") == [{"epoch": 4, "knn_top1": 0.5124}]
    assert run.losses.to_dict("records") == [
        {"epoch": 3, "loss": 2.0, "sequences_per_s": 80.0}, {"epoch": 4, "loss": 1.5, "sequences_per_s": 80.0},
    ]  # fmt: skip
    assert dict(run.metrics) == {"knn_top1": 0.5124}
    assert run.checkpoint == run.directory / "epoch-4"
    assert run.directory.parent == tmp_path / "home" / "runs"
    assert run.directory.name.startswith("pretraining-")
    facts = dict(run.facts)
    assert (facts["train_sequences"], facts["validation_sequences"]) == (8, 4)
    assert facts["dataset"] == "small"
    assert (facts["data_digest"], facts["protocol"], facts["seed"]) == ("d" * 64, "odd-subjects", 0)
    assert facts["split"] == "validation subjects of the training split"
    assert facts["precision"] == f"precision of {run.directory.name}"
    assert facts["epochs"] == 4
    assert repr(run) == f"<Pretraining: 4 epochs, knn_top1 0.512, {run.directory}>"
    assert (called["validate_every"], called["cpus"], called["gpus"], called["allow_overlap"]) == (5, 2, 0, False)


def test_everything_that_is_given(called: dict[str, Any], store: Path, tmp_path: Path) -> None:
    seen: list[Any] = []
    called["metrics"] = {}
    run = hico.pretrain(
        CONFIG, data=store, protocol="odd-subjects", out=tmp_path / "run", set={"budget.epochs": 7, "budget.seed": 3},
        validate_every=2, gpus=1, allow_overlap=True, home=tmp_path / "home", progress=seen.append,
    )  # fmt: skip
    config = called["config"]
    assert (config.budget.epochs, config.budget.seed, config.model.encoder) == (7, 3, "gru")
    assert called["directory"] == run.directory == tmp_path / "run"
    assert (called["validate_every"], called["gpus"], called["allow_overlap"]) == (2, 1, True)
    assert [getattr(one, "losses", None) or one.metrics for one in seen] == [
        {"loss": 2.0}, {"loss": 1.5}, {"knn_top1": 0.5124},
    ]  # fmt: skip
    assert not (tmp_path / "home").exists(), "it writes elsewhere"
    assert run.facts["split"] is None, "nothing was scored"
    assert repr(run) == f"<Pretraining: 4 epochs, {run.directory}>"


def test_the_folder_is_named_for_the_file_or_as_one_likes(called: dict[str, Any], store: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text("budget: {epochs: 2}\nviews: {min_crop_frames: 8}\n")
    names = []
    for named in ({}, {"name": "mine"}, {"set": {"budget.seed": 1}}):
        run = hico.pretrain(file, data=store, protocol="odd-subjects", home=tmp_path / "home", **named)
        names.append(run.directory.name)
    first, mine, seeded = (name.rsplit("-", 1) for name in names)
    assert [name for name, _ in (first, mine, seeded)] == ["tiny", "mine", "tiny"]
    assert first[1] == mine[1] != seeded[1], "the digest is of what the weights depend on"


def test_what_most_recordings_are_too_short_for_is_warned_of(
    called: dict[str, Any], store: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="half of the sequences have at most") as told:
        hico.pretrain({}, data=store, protocol="odd-subjects", home=tmp_path, set={"views.min_crop_frames": 90})
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"validate_every": 0}, hico.UsageError, "validate_every: expected at least 1, got 0; give a count"),
        ({"cpus": 0}, hico.UsageError, "cpus: expected at least 1, got 0; give a count"),
        ({"set": {"budget.epochs": 0}}, hico.ConfigError, "budget.epochs: expected at least 1, got 0"),
        ({"config": {"modle": {}}}, hico.ConfigError, "expected a known key, got 'modle'; did you mean model?"),
        ({"config": "no such file"}, hico.ConfigError, "no such file"),
    ],
)
def test_what_cannot_be(
    given: dict[str, Any], error: type[Exception], message: str, called: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        hico.pretrain(**({"config": CONFIG} | given), data="no folder", home=tmp_path / "home")
    assert message in str(caught.value)
    assert "directory" not in called
    assert not (tmp_path / "home").exists()


def test_a_mapping_is_checked_as_a_file_is(tmp_path: Path) -> None:
    document, name = config_document({"a": (1, 2), "b": Path("x")})
    assert (document.data, document.file, name) == ({"a": [1, 2], "b": "x"}, "config", "pretraining")
    file = tmp_path / "my.config.yaml"
    file.write_text("budget: {epochs: 2}\n")
    document, name = config_document(str(file))
    assert (document.data, name) == ({"budget": {"epochs": 2}}, "my.config")


def test_the_encoder_is_that_of_the_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    monkeypatch.setattr("hico_platform.commands.encoder.load_encoder", lambda place: f"encoder of {place}")
    run = Pretraining(
        checkpoint=Path("/r/epoch-4"), epochs=4, trained_now=0, metrics={}, curve=pd.DataFrame(),
        losses=pd.DataFrame(), facts={},
    )  # fmt: skip
    assert run.encoder() == "encoder of /r/epoch-4"
    assert run.directory == Path("/r")

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from hico_platform.checkpoint import load_checkpoint, save_checkpoint
from hico_platform.commands import pretrain as command
from hico_platform.commands.pretrain import pretrain_one, run_folder
from hico_platform.config.schema import to_mapping
from hico_platform.config.trial import as_first_written
from hico_platform.data.split_guard import ClosedTestSplitError, Purpose
from hico_platform.enums import Decision
from hico_platform.errors import CheckpointError, UsageError
from hico_platform.search.task import TrialTask
from hico_platform.worker.datasets import Dataset
from tests.small import small_config, small_store


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("made")
    small_store(folder / "store", count=24)
    (folder / "half.yaml").write_text("train: {subject: [0, 1, 2]}\n")
    return Dataset(location=str(folder / "store"), protocol=str(folder / "half.yaml"), cache=folder / "cache")


def folder_of(runs: Path, source: Dataset, **values: Any) -> Path:
    return run_folder(runs, name="small", config=small_config(**values), source=source)


def checkpoint_in(folder: Path, source: Dataset, **values: Any) -> None:
    provenance = {"data_digest": source.open()[0].digest, "protocol": source.protocol}
    facts = {"config": to_mapping(small_config(**values)), "provenance": provenance}
    save_checkpoint(folder, epoch=1, tensors={"x": torch.zeros(1)}, facts=facts)


def test_each_set_of_weights_has_a_folder_of_its_own(source: Dataset, tmp_path: Path) -> None:
    own = folder_of(tmp_path, source)
    assert own.parent == tmp_path
    assert own.name.startswith("small-")
    assert len(own.name) == len("small-") + 8
    assert folder_of(tmp_path, source) == own
    for values in (
        {"budget__epochs": 5},
        {"budget__seed": 9},
        {"model__hidden_width": 32},
        {"views__rotation_degrees": 30.0},
    ):
        assert folder_of(tmp_path, source, **values) != own


def test_what_the_weights_do_not_depend_on_changes_no_folder(source: Dataset, tmp_path: Path) -> None:
    own = folder_of(tmp_path, source)
    assert folder_of(tmp_path, source, budget__threads=2) == own
    assert folder_of(tmp_path, source, evaluation__linear_epochs=3) == own


def test_the_folder_is_named_as_by_versions_that_knew_fewer_views(
    source: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = folder_of(tmp_path, source)
    monkeypatch.setattr(command, "to_mapping", lambda config: as_first_written(to_mapping(config)))
    monkeypatch.setattr(command, "as_first_written", lambda config: config)
    assert folder_of(tmp_path, source) == own


def test_the_folder_of_an_older_version_is_used_where_it_holds_this_run(source: Dataset, tmp_path: Path) -> None:
    own = folder_of(tmp_path, source)
    checkpoint_in(tmp_path / "small", source)
    assert folder_of(tmp_path, source) == tmp_path / "small"
    assert folder_of(tmp_path, source, model__precision="auto") == tmp_path / "small", "theirs was float32"
    assert folder_of(tmp_path, source, model__precision="bf16") != tmp_path / "small"
    assert folder_of(tmp_path, source, budget__seed=9) != tmp_path / "small"
    checkpoint_in(own, source)
    assert folder_of(tmp_path, source) == own


def task_of(
    source: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch, *, every: int, gpus: float = 0
) -> TrialTask:
    tasks: list[TrialTask] = []
    monkeypatch.setattr(command, "run_task", lambda task, report, **more: tasks.append(task) or more)
    store, passed = pretrain_one(
        config=small_config(budget__epochs=7),
        source=source,
        directory=folder,
        validate_every=every,
        cpus=1.5,
        gpus=gpus,
        report=print,
        watch=print,
        progress=print,
        command="hico-platform pretrain",
    )
    assert store.digest == source.open()[0].digest
    assert passed["data"].target is None
    (task,) = tasks
    return task


@pytest.mark.parametrize(("every", "epochs"), [(1, {1, 2, 3, 4, 5, 6, 7}), (3, {3, 6, 7}), (7, {7}), (50, {7})])
def test_validation_comes_regularly_and_at_the_end(
    source: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, epochs: set[int]
) -> None:
    kept: list[tuple[Path, str]] = []
    monkeypatch.setattr(command, "keep_environment", lambda folder, *, command, at_s: kept.append((folder, command)))
    task = task_of(source, tmp_path, monkeypatch, every=every)
    assert kept == [(tmp_path, "hico-platform pretrain")]
    assert set(task.report_epochs) == epochs
    assert len(task.report_epochs) == len(epochs)
    assert (task.directory, task.cpus, task.gpus) == (tmp_path, 1.5, 0)


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_trained(
    source: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"gpus: expected a GPU that PyTorch can use, got 1"):
        task_of(source, tmp_path, monkeypatch, every=1, gpus=1)


def test_a_pretraining_may_not_read_the_test_split(
    source: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "check_overlap", lambda source, *rest, **options: source.open_with_test(Purpose.MERGE))
    with pytest.raises(ClosedTestSplitError, match="got 'a pretraining'"):
        pretrain_one(
            config=small_config(), source=source, directory=tmp_path, validate_every=1, cpus=1, gpus=0,
            report=print, watch=print, progress=print,
        )  # fmt: skip


def pretrained(source: Dataset, folder: Path) -> dict[str, Any]:
    """What the checkpoint of a short run says of where it comes from."""
    _, outcome = pretrain_one(
        config=small_config(budget__epochs=1), source=source, directory=folder, validate_every=1, cpus=1, gpus=0,
        report=lambda _: Decision.CONTINUE, watch=lambda _: None, progress=lambda _: None,
    )  # fmt: skip
    return dict(load_checkpoint(outcome.checkpoint).facts["provenance"])


@pytest.mark.slow
def test_data_and_rule_are_those_of_now_though_this_process_trained_on_others(tmp_path: Path) -> None:
    """A notebook is one process, and what is prepared again has the same name."""
    store, rule = tmp_path / "store", tmp_path / "rule.yaml"
    source = Dataset(location=str(store), protocol=str(rule), cache=tmp_path / "cache")
    rule.write_text("train: {subject: [0, 1, 2]}\n")
    first = small_store(store)
    assert pretrained(source, tmp_path / "one")["data_digest"] == first.digest
    shutil.rmtree(store)
    second = small_store(store, seed=1)
    assert pretrained(source, tmp_path / "two")["data_digest"] == second.digest
    rule.write_text("train: {subject: [3, 4, 5]}\n")
    assert pretrained(source, tmp_path / "three")["protocol_rule"] == '{"train": {"subject": [3, 4, 5]}}'
    with pytest.raises(CheckpointError, match=r"protocol_rule: expected the value .*0, 1, 2.*, as when this run began"):
        pretrained(source, tmp_path / "two")

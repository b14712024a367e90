"""A retraining whose checkpoints are in a store: another machine goes on, and the model is fetched for its export."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import newest_checkpoint, save_checkpoint
from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.errors import HicoError, UsageError
from hico_platform.home import HomePaths
from hico_platform.retrain import logging as retrain_logging
from hico_platform.retrain import run as run_module
from hico_platform.retrain import stored_runs
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import read_result
from hico_platform.retrain.run import RetrainReport, retrain
from hico_platform.retrain.stored_runs import checkpoint_at_hand
from hico_platform.retrain.task import RetrainOutcome, RetrainTask
from hico_platform.search.checkpoint_place import CheckpointsAsked, stores_of
from hico_platform.search.messages import EpochReport, ReportFunction
from hico_platform.search.task_source import TaskSource
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.worker import staging
from hico_platform.worker.staging import spool_of
from tests.exported import small_export
from tests.unit.retrain.test_run import RIGHT, Stage, sequence_scores


class Killed(BaseException):
    """What ends a process at once."""


class Machines:
    """Homes that share nothing but a store, on which runs train four epochs each; some processes are killed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.tracker = MemoryTracker()
        self.trained: list[str] = []
        self.kill_at: str | None = None
        self.url = f"file://{folder}/there"
        monkeypatch.setattr(stored_runs, "run_retrain_task", self.run)
        monkeypatch.setattr("hico_platform.search.ray_executor.executor.execute_on_ray", self.execute)
        monkeypatch.setattr("hico_platform.retrain.champion.export_model", self.export)
        self.exported: list[Path] = []

    def home(self, name: str) -> Stage:
        """A machine with an empty disk."""
        spool_of.cache_clear()
        self.monkeypatch.setenv("HICO_STAGING", str(self.folder / name / "spool"))
        stage = Stage(self.folder / name / "final")
        stage.tracker = self.tracker
        return stage

    def run(self, task: RetrainTask, report: ReportFunction, *, data: object) -> RetrainOutcome:
        scores = sequence_scores(RIGHT[task.entry])
        checkpoint = task.directory
        if task.entry.is_trained:
            begun = newest_checkpoint(task.directory)
            for epoch in range(1 if begun is None else begun.epoch + 1, 5):
                name = f"{task.entry} {epoch}"
                checkpoint = save_checkpoint(task.directory, epoch=epoch, tensors={"a": torch.ones(9)}, facts={})
                report(EpochReport(epoch=epoch, metrics={}, history=((epoch, {"loss": 1.0}),), checkpoint=checkpoint))
                self.trained.append(name)
                if name == self.kill_at:
                    assert spool_of(*self.spooled).flush(task.directory.name, patience_s=5)
                    raise Killed
            if begun is not None and begun.epoch == 4:
                checkpoint = begun.path
        epoch = 4 if task.entry.is_trained else 0
        return RetrainOutcome(
            epoch=epoch, stopped_early=False, metrics={"knn_top1": 0.5}, checkpoint=checkpoint, scores=scores,
            precision="float32" if task.entry.is_trained else None,
        )  # fmt: skip

    def execute(self, source: TaskSource, function: stored_runs.StoredRun, **_: object) -> None:
        assert isinstance(function, stored_runs.StoredRun)
        self.spooled = function.store.url, function.store.folder
        while (task := source.next_task()) is not None:
            assert isinstance(task, RetrainTask)
            number = task.number
            source.finished(number, function(task, lambda report, number=number: source.reported(number, report)))

    def export(self, checkpoint: Path, *, data: object) -> Path:
        assert checkpoint.is_dir()
        self.exported.append(checkpoint)
        model = checkpoint.parent / "encoder"
        return model if model.exists() else small_export(model)

    def retrain(self, stage: Stage, *, url: str | None = None, default: str | None = "there") -> RetrainReport:
        default = self.url if default == "there" else default
        return retrain(
            stage.inputs(), directory=stage.folder, tracker=self.tracker, seeds=1,
            checkpoints=CheckpointsAsked(url=url, default=default, folder="x-0123456789ab"),
        )  # fmt: skip


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    monkeypatch.setattr(staging.Spool.__init__, "__kwdefaults__", {"look_every_s": 0.02})
    monkeypatch.setattr(staging, "CUT_OFF_PATIENCE_S", 0.2)
    monkeypatch.setattr(retrain_logging, "PATIENCE_WHEN_CUT_OFF_S", 0.01)
    yield Machines(tmp_path, monkeypatch)
    spool_of.cache_clear()


def test_all_checkpoints_are_in_the_store_and_the_models_is_fetched(machines: Machines) -> None:
    stage = machines.home("one")
    report = machines.retrain(stage)
    assert (report.model_version, report.alias, report.unregistered) == (1, "champion", None)
    digest = report.directory.name
    address = f"{machines.url}/x-0123456789ab/final/{digest}/best-seed-0/epoch-000004"
    result = read_result(report.directory / "best-seed-0")
    assert result is not None
    assert (result.checkpoint, result.precision) == (address, "float32")
    assert report.champion.checkpoint == str(report.directory / "best-seed-0" / "epoch-000004")
    assert machines.exported == [report.directory / "best-seed-0" / "epoch-000004"]
    assert not (report.directory / "released-seed-0" / "epoch-000004").exists()
    run = next(kept for kept in machines.tracker.kept.values() if kept.run.tags.get("hico.entry") == "best")
    assert run.run.tags["hico.checkpoint"] == address
    assert "checkpoint" not in run.artifacts
    paths_home = machines.folder / "moved"
    (paths_home / "searches").mkdir(parents=True)
    shutil.copytree(stage.folder.parent, paths_home / "searches" / "x")
    (noted,) = stores_of(HomePaths(home=paths_home), "x", None)
    assert noted.address() == f"{machines.url}/x-0123456789ab/final/{digest}"


@pytest.mark.parametrize("at", ["best 1", "best 4", "released 3"])
def test_killed_another_machine_with_an_empty_disk_goes_on_and_ends_the_same(machines: Machines, at: str) -> None:
    expected = machines.retrain(machines.home("whole"), default=f"file://{machines.folder}/other")
    all_epochs, machines.trained = machines.trained, []
    machines.kill_at = at
    with pytest.raises(Killed):
        machines.retrain(machines.home("one"))
    shutil.rmtree(machines.folder / "one")
    machines.kill_at = None
    report = machines.retrain(machines.home("two"))
    assert machines.trained == all_epochs, "no epoch is trained twice, and none is left out"
    assert (report.summary, report.comparison) == (expected.summary, expected.comparison)
    assert report.directory.name == expected.directory.name


def test_where_it_began_it_goes_on(machines: Machines) -> None:
    stage = machines.home("one")
    machines.kill_at = "best 2"
    with pytest.raises(Killed):
        machines.retrain(stage)
    with pytest.raises(
        UsageError, match=r"--checkpoints: expected the place of the checkpoints of the retraining of x"
    ):
        machines.retrain(stage, url=f"file://{machines.folder}/elsewhere")
    machines.kill_at = None
    machines.retrain(stage, url=machines.url, default="s3://another")
    assert machines.trained[:3] == ["best 1", "best 2", "best 3"]


def test_one_that_began_in_the_home_stays_there(tmp_path: Path) -> None:
    folder = tmp_path / "0123"
    (folder / "best-seed-0").mkdir(parents=True)
    asked = CheckpointsAsked(default=f"file://{tmp_path}/there", folder="x")
    assert stored_runs.retrain_store(asked, folder, whose="x") is None
    with pytest.raises(UsageError, match="the retraining of x, its home"):
        stored_runs.retrain_store(CheckpointsAsked(url="s3://a/b", folder="x"), folder, whose="x")


def test_a_store_that_cannot_be_written_is_an_error_before_anything_is_trained(machines: Machines) -> None:
    (machines.folder / "there").write_text("a file")
    with pytest.raises(HicoError, match=r"--checkpoints: expected a store that takes what is written"):
        machines.retrain(machines.home("one"))
    assert machines.trained == []


def test_a_store_that_is_away_at_the_end_costs_the_registration_alone_and_the_same_command_makes_up_for_it(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = machines.home("one")

    @contextlib.contextmanager
    def away(store: CheckpointStore) -> Iterator[None]:
        raise StoreAwayError("AWS Error: 500")
        yield

    with monkeypatch.context() as patched:

        def fetch(checkpoint: str, folder: Path) -> Path:
            patched.setattr(CheckpointStore, "_errors", away)
            return checkpoint_at_hand(checkpoint, folder)

        patched.setattr(run_module, "checkpoint_at_hand", fetch)
        report = machines.retrain(stage)
    assert report.unregistered == "its checkpoint could not be fetched: AWS Error: 500"
    assert report.summary[Entry.BEST]["knn_top1"].mean == 0.5
    trained = len(machines.trained)
    again = machines.retrain(stage)
    assert (again.unregistered, again.model_version, len(machines.trained)) == (None, 1, trained)


def test_a_note_that_is_damaged_is_none(tmp_path: Path) -> None:
    (tmp_path / "checkpoints.json").write_text(json.dumps([1]))
    assert stored_runs.retrain_store(None, tmp_path, whose="x") is None

"""Retraining when all runs have been trained, with a tracking store that is away or refuses."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from hico_platform.errors import HicoError, UsageError
from hico_platform.retrain import logging as retrain_logging
from hico_platform.retrain.inputs import RetrainInputs
from hico_platform.retrain.plan import Entry, make_plan
from hico_platform.retrain.results import RunResult, write_result
from hico_platform.retrain.run import RetrainReport, retrain
from hico_platform.search.lock import search_lock
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from tests.small import small_config

FACTS = {
    "dataset": "tiny", "data_digest": "d" * 64, "protocol": "xsub", "code_version": "tested", "split": "test",
    "train_sequences": "8", "test_sequences": "4", "search": "x", "trial": "3",
}  # fmt: skip
METHODS = ["runs", "open_run", "log_points", "close_run", "log_folder", "set_tags", "register_champion"]


class Stage:
    """A retraining of the search ``x``; what is on disk is a whole one, unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best = small_config(budget__epochs=4)
        self.data = TrialData(
            source=Dataset(location="none", protocol="xsub", cache=folder), target=None, on_test_split=True
        )
        self.tracker = MemoryTracker()

    def train(self, *, seeds: int = 1) -> None:
        plan = make_plan(self.best, seeds=seeds, epochs=None, facts=FACTS)
        for run in plan.runs:
            folder = self.folder / plan.digest[:12] / run.key
            checkpoint = folder / "epoch-000004"
            if run.entry.is_trained:
                checkpoint.mkdir(parents=True, exist_ok=True)
                (folder / "encoder").mkdir(exist_ok=True)
            metrics = {"knn_top1": 0.5 + run.seed / 10, "recognition_top1": 0.6}
            write_result(
                folder,
                RunResult(
                    entry=run.entry, seed=run.seed, epoch=4, metrics=metrics, seconds=1.0,
                    checkpoint=str(checkpoint) if run.entry.is_trained else None,
                ),
            )  # fmt: skip

    def retrain(self, *, seeds: int = 1, **facts: str) -> RetrainReport:
        return retrain(self.inputs(**facts), directory=self.folder, tracker=self.tracker, seeds=seeds)

    def inputs(self, **facts: str) -> RetrainInputs:
        return RetrainInputs(name="x", best=self.best, data=self.data, facts={**FACTS, **facts})


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(retrain_logging, "PATIENCE_S", 0.01)
    stage = Stage(tmp_path)
    stage.train()
    return stage


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "away"])
@pytest.mark.parametrize("method", METHODS)
def test_the_results_come_whatever_the_store_does_and_the_same_command_makes_up_for_it(
    stage: Stage, method: str, refuses: bool
) -> None:
    if refuses:
        stage.tracker.refuses = {method}
    else:
        stage.tracker.away_at = {method}
    report = stage.retrain()
    assert set(report.summary) == set(Entry)
    assert len(report.results) == 4
    if method in {"runs", "open_run", "log_folder", "register_champion"} or (method == "close_run" and not refuses):
        assert report.model_version is None
        assert report.unregistered is not None
        assert ("refused" if refuses else "away") in report.unregistered
    assert (report.unregistered is None) is (report.model_version is not None)
    stage.tracker.refuses = stage.tracker.away_at = set()
    again = stage.retrain()
    assert (again.model_version, again.unregistered, again.untracked, again.refused) == (1, None, 0, 0)
    runs = stage.tracker.runs("x")
    assert len(runs) == 5
    assert {run.status for run in runs.values()} == {RunStatus.FINISHED}
    best = stage.tracker.kept[next(run.run_id for key, run in runs.items() if key.endswith("best-seed-0"))]
    assert "checkpoint" in best.artifacts
    assert best.metrics["test_knn_top1"][-1][:2] == (4, 0.5)


def test_a_store_that_is_gone_altogether(stage: Stage) -> None:
    stage.tracker.away = True
    report = stage.retrain()
    assert report.untracked > 0
    assert report.unregistered == "the tracking store was away: the store is away"


def test_a_model_that_cannot_be_exported_costs_no_result(stage: Stage) -> None:
    for folder in stage.folder.glob("*/best-seed-0/*/"):
        shutil.rmtree(folder)
    report = stage.retrain()
    assert report.summary[Entry.BEST]["knn_top1"].mean == 0.5
    assert report.unregistered is not None
    assert "the model could not be exported" in report.unregistered


def test_what_is_still_to_be_trained_is_not_begun_over_a_store_that_refuses(stage: Stage) -> None:
    stage.tracker.refuses = {"check"}
    with pytest.raises(
        UsageError, match="a tracking store that takes what is written, got 'memory, which refuses: check"
    ):
        stage.retrain(seeds=2)
    assert stage.retrain().model_version == 1, "nothing is to be trained"


def test_fewer_seeds_leave_no_figure_of_more_behind(stage: Stage) -> None:
    stage.train(seeds=2)
    assert stage.retrain(seeds=2).model_version == 1
    assert stage.tracker.descriptions["x"].endswith("test 1-NN 55.0% over 2 seeds")
    stage.retrain()
    assert stage.tracker.descriptions["x"].endswith("test 1-NN 50.0% over 1 seed")
    parent = next(kept for kept in stage.tracker.kept.values() if kept.name == "retraining")
    shown = {name: history[-1][1] for name, history in parent.metrics.items()}
    assert (shown["best_mean_test_knn_top1"], shown["best_seeds"]) == (0.5, 1)
    assert math.isnan(shown["best_std_test_knn_top1"])


def test_the_state_of_the_search_is_in_the_text_and_changes_no_result(stage: Stage) -> None:
    report = stage.retrain(search_state="running: 5 of 12 trials ended")
    assert stage.tracker.descriptions["x"] == (
        "HiCo, best so far of the search x, which was running: 5 of 12 trials ended; test 1-NN 50.0% over 1 seed"
    )
    again = stage.retrain(search_state="finished")
    assert again.directory == report.directory
    assert stage.tracker.descriptions["x"] == ("HiCo, best configuration of the search x; test 1-NN 50.0% over 1 seed")


def test_failures_name_run_reason_and_remedy() -> None:
    from hico_platform.retrain.run import _failures

    error = HicoError(_failures({"best-seed-0": "out of memory"}))
    assert str(error) == (
        "best-seed-0: expected a run that trains, got 'out of memory'; mend it and run the command again"
    )


def test_one_process_at_a_time_retrains_a_search(tmp_path: Path) -> None:
    with (
        search_lock(tmp_path / "lock", name="x"),
        pytest.raises(UsageError, match=r"a retraining that is not running already, got 'x: process \d+ on"),
    ):
        Stage(tmp_path).retrain()


def test_a_plan_of_before_auto_precision_is_found_again(tmp_path: Path) -> None:
    """Versions without ``auto`` precision meant float32 where a configuration named none."""
    stage = Stage(tmp_path)
    stage.train()
    stage.best = small_config(budget__epochs=4, model__precision="auto")
    stage.retrain()
    assert len([folder for folder in tmp_path.iterdir() if folder.is_dir()]) == 1

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.retrain.logging import RetrainLogger
from hico_platform.retrain.losses import read_losses
from hico_platform.retrain.plan import Entry, RetrainPlan, make_plan
from hico_platform.retrain.results import read_result
from hico_platform.retrain.task_source import RetrainTaskSource, RunProgress
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.memory import MemoryTracker
from tests.small import small_config


@pytest.fixture
def plan() -> RetrainPlan:
    return make_plan(small_config(budget__epochs=40), seeds=1, epochs=None, facts={})


class Stage:
    """A task source with its logger, as one process would hold it."""

    def __init__(self, plan: RetrainPlan, directory: Path, tracker: MemoryTracker) -> None:
        self.seen: list[RunProgress] = []
        self.logger = RetrainLogger(tracker, experiment="x", key="x/final/1", tags={}, config=plan.runs[0].config)
        self.logger.open(at_s=0)
        self.source = RetrainTaskSource(
            plan=plan, directory=directory, cpus=1, gpus=0, observe=self.seen.append, logger=self.logger,
            clock=lambda: 5.0,
        )  # fmt: skip

    def finish(self, number: int) -> None:
        metrics = {"knn_top1": 0.5 + number / 10}
        outcome = TrialOutcome(epoch=40, stopped_early=False, metrics=metrics, checkpoint=Path("there"))
        self.source.finished(number, outcome)


def test_every_run_is_handed_out_once_and_keeps_its_result(plan: RetrainPlan, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    stage = Stage(plan, tmp_path, tracker)
    tasks = []
    while (task := stage.source.next_task()) is not None:
        tasks.append(task)
    assert [task.entry for task in tasks] == [Entry.BEST, Entry.RELEASED, Entry.UNTRAINED, Entry.RAW_POSE]
    assert stage.source.tasks_running == 4
    assert tasks[0].report_epochs == tuple(range(2, 41, 2))
    history = ((1, {"loss": 3.0}), (2, {"loss": 2.0}))
    answer = stage.source.reported(0, EpochReport(epoch=2, metrics={}, history=history, checkpoint=Path("c")))
    assert answer is Decision.CONTINUE
    assert read_losses(tmp_path / plan.runs[0].key) == {1: {"loss": 3.0}, 2: {"loss": 2.0}}
    for task in tasks:
        stage.finish(task.number)
        stage.finish(task.number)  # said twice, taken once
    assert stage.source.tasks_running == 0
    results = [read_result(tmp_path / run.key) for run in plan.runs]
    there = [str(tmp_path / run.key / "there") for run in plan.runs[:2]]
    assert [result and result.checkpoint for result in results] == [*there, None, None]
    stage.logger.close({}, epoch=40, at_s=9)
    runs = tracker.runs("x")
    assert {key: run.status for key, run in runs.items()} == dict.fromkeys(
        ["x/final/1", *(f"x/final/1/{run.key}" for run in plan.runs)], RunStatus.FINISHED
    )


def test_what_has_a_result_is_not_run_again_and_what_was_cut_off_is(plan: RetrainPlan, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    first = Stage(plan, tmp_path, tracker)
    first.source.next_task()
    first.source.next_task()
    first.finish(0)
    first.logger.close(None, epoch=40, at_s=6)
    cut_off = {key: run.status for key, run in tracker.runs("x").items()}
    assert cut_off == {
        "x/final/1": RunStatus.KILLED,
        "x/final/1/best-seed-0": RunStatus.FINISHED,
        "x/final/1/released-seed-0": RunStatus.KILLED,
    }
    again = Stage(plan, tmp_path, tracker)
    assert [now.run.key for now in again.seen if now.result] == ["best-seed-0"]
    task = again.source.next_task()
    assert task is not None
    assert task.entry is Entry.RELEASED
    again.logger.close(None, epoch=40, at_s=7)
    assert again.logger.run_id(plan.runs[0]) == first.logger.run_id(plan.runs[0]), "known though not run again"


def test_a_result_that_was_not_logged_before_the_cut_is_logged_after_it(plan: RetrainPlan, tmp_path: Path) -> None:
    first = Stage(plan, tmp_path, MemoryTracker())
    first.source.next_task()
    first.finish(0)
    first.logger.close(None, epoch=40, at_s=6)
    tracker = MemoryTracker()  # as if nothing had arrived
    again = Stage(plan, tmp_path, tracker)
    again.logger.close(None, epoch=40, at_s=7)
    assert tracker.runs("x")["x/final/1/best-seed-0"].status is RunStatus.FINISHED


def test_a_failed_run_is_kept_as_failed_and_shown(plan: RetrainPlan, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    stage = Stage(plan, tmp_path, tracker)
    stage.source.next_task()
    stage.source.failed(0, TrialFailure(reason="a finite loss in epoch 3, got nan", traceback="Traceback ..."))
    assert stage.source.failures == {"best-seed-0": "a finite loss in epoch 3, got nan"}
    assert stage.seen[-1].failure == "a finite loss in epoch 3, got nan"
    assert read_result(tmp_path / "best-seed-0") is None
    stage.logger.close({}, epoch=40, at_s=9)
    assert tracker.runs("x")["x/final/1/best-seed-0"].status is RunStatus.FAILED

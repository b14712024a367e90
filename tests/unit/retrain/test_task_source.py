from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.retrain.further_tasks import TaskScores, read_task_scores, write_task_scores
from hico_platform.retrain.logging import RetrainLogger
from hico_platform.retrain.losses import read_losses
from hico_platform.retrain.plan import Entry, RetrainPlan, make_plan
from hico_platform.retrain.results import read_result, write_result
from hico_platform.retrain.task import RetrainOutcome
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

    def __init__(
        self,
        plan: RetrainPlan,
        directory: Path,
        tracker: MemoryTracker,
        *,
        further: tuple[str, ...] = (),
        now_s: float = 5.0,
    ) -> None:
        self.seen: list[RunProgress] = []
        self.logger = RetrainLogger(tracker, experiment="x", key="x/final/1", tags={}, config=plan.runs[0].config)
        self.logger.open(at_s=0)
        self.source = RetrainTaskSource(
            plan=plan, directory=directory, cpus=1, gpus=0, observe=self.seen.append, logger=self.logger,
            further=further, clock=lambda: now_s,
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


def test_scores_that_arrived_before_a_cut_are_not_written_at_another_time_after_it(
    plan: RetrainPlan, tmp_path: Path
) -> None:
    tracker = MemoryTracker()
    first = Stage(plan, tmp_path, tracker)
    first.source.next_task()
    first.finish(0)
    first.logger.close(None, epoch=40, at_s=6)
    (run,) = (one for one in tracker.kept.values() if one.run.key == "x/final/1/best-seed-0")
    run.run = dataclasses.replace(run.run, status=RunStatus.RUNNING)  # killed before the run's end arrived
    again = Stage(plan, tmp_path, tracker, now_s=50.0)
    again.logger.close(None, epoch=40, at_s=60)
    (run,) = (one for one in tracker.kept.values() if one.run.key == "x/final/1/best-seed-0")
    assert run.run.status is RunStatus.FINISHED
    assert run.metrics["test/knn_top1"] == [(40, 0.5, 5.0)]


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


def end(stage: Stage, number: int, directory: Path) -> None:
    """A run ends with a checkpoint in its folder."""
    (directory / stage.source._plan.runs[number].key / "there").mkdir(parents=True, exist_ok=True)
    stage.finish(number)


def scored(*names: str) -> RetrainOutcome:
    """What a worker sends of further tasks."""
    tasks = tuple(TaskScores(task=name, values={f"{name}_top1": 0.75}) for name in names)
    return RetrainOutcome(epoch=0, stopped_early=False, metrics={}, checkpoint=Path("there"), tasks=tasks)


def score(directory: Path, *names: str, value: float = 0.75) -> None:
    for name in names:
        write_task_scores(directory, TaskScores(task=name, values={f"{name}_top1": value}))


def test_further_tasks_of_a_run_are_handed_out_once_it_has_ended_and_after_all_runs(
    plan: RetrainPlan, tmp_path: Path
) -> None:
    tracker = MemoryTracker()
    stage = Stage(plan, tmp_path, tracker, further=("semi", "occlusion"))
    assert stage.source.next_task() is not None
    end(stage, 0, tmp_path)
    for number in (1, 2, 3):
        task = stage.source.next_task()
        assert task is not None
        assert (task.number, task.along, task.further) == (number, ("semi", "occlusion"), ())
    task = stage.source.next_task()
    assert task is not None
    assert (task.entry, task.further) == (Entry.BEST, ("semi", "occlusion"))
    assert task.checkpoint == str(tmp_path / "best-seed-0" / "there")
    assert stage.source.next_task() is None, "the others have not ended"
    assert (stage.seen[-1].further, stage.seen[-1].result) == (("semi", "occlusion"), None)
    score(tmp_path / "best-seed-0", "semi", "occlusion")
    stage.source.finished(task.number, TrialOutcome(epoch=0, stopped_early=False, metrics={}, checkpoint=Path("there")))
    assert stage.seen[-1].further == ("semi", "occlusion")
    result = stage.seen[-1].result
    assert result is not None
    assert result.metrics == {"knn_top1": 0.5}, "the run's result is what it was"
    assert result == read_result(tmp_path / "best-seed-0")
    stage.logger.close({}, epoch=40, at_s=9)
    run = tracker.kept[tracker.runs("x")["x/final/1/best-seed-0"].run_id]
    assert run.run.status is RunStatus.FINISHED
    assert run.run.tags["hico.tasks"] == "occlusion, semi"
    assert run.metrics["test/semi_top1"] == [(40, 0.75, 5.0)]


def test_after_a_cut_only_what_has_no_scores_is_handed_out_and_each_score_is_logged_once(
    plan: RetrainPlan, tmp_path: Path
) -> None:
    tracker = MemoryTracker()
    first = Stage(plan, tmp_path, tracker, further=("semi", "occlusion"))
    for number in range(4):
        first.source.next_task()
        end(first, number, tmp_path)
    assert first.source.next_task() is not None
    score(tmp_path / "best-seed-0", "semi")  # and then the process is killed
    first.logger.close(None, epoch=40, at_s=6)
    again = Stage(plan, tmp_path, tracker, further=("semi", "occlusion"))
    tasks = []
    while (task := again.source.next_task()) is not None:
        tasks.append((task.entry, task.further))
    assert tasks == [
        (Entry.BEST, ("occlusion",)), (Entry.RELEASED, ("semi", "occlusion")),
        (Entry.UNTRAINED, ("semi", "occlusion")), (Entry.RAW_POSE, ("semi", "occlusion")),
    ]  # fmt: skip
    again.logger.close(None, epoch=40, at_s=7)
    third = Stage(plan, tmp_path, tracker, further=("semi",))
    third.logger.close(None, epoch=40, at_s=8)
    run = tracker.kept[tracker.runs("x")["x/final/1/best-seed-0"].run_id]
    assert run.metrics["test/semi_top1"] == [(40, 0.75, 5.0)]


def test_without_its_checkpoint_a_trained_run_has_no_further_tasks(plan: RetrainPlan, tmp_path: Path) -> None:
    stage = Stage(plan, tmp_path, MemoryTracker())
    for number in range(4):
        stage.source.next_task()
        stage.finish(number)
    stage.logger.close({}, epoch=40, at_s=9)
    again = Stage(plan, tmp_path, MemoryTracker(), further=("semi",))
    tasks = []
    while (task := again.source.next_task()) is not None:
        tasks.append(task.entry)
    assert tasks == [Entry.UNTRAINED, Entry.RAW_POSE]


def test_further_tasks_that_fail_with_their_worker_cost_no_result(plan: RetrainPlan, tmp_path: Path) -> None:
    stage = Stage(plan, tmp_path, MemoryTracker(), further=("semi", "occlusion"))
    for number in range(4):
        stage.source.next_task()
        end(stage, number, tmp_path)
    task = stage.source.next_task()
    assert task is not None
    score(tmp_path / "best-seed-0", "semi")
    stage.source.failed(task.number, TrialFailure(reason="its worker died four times"))
    assert stage.source.failures == {}
    assert read_result(tmp_path / "best-seed-0") is not None
    found = {name: read_task_scores(tmp_path / "best-seed-0", name) for name in ("semi", "occlusion")}
    assert [one and one.failed for one in found.values()] == [None, "its worker died four times"]


def test_what_takes_long_waits_until_the_run_has_its_result_each_as_a_task_of_its_own(
    plan: RetrainPlan, tmp_path: Path
) -> None:
    tracker = MemoryTracker()
    stage = Stage(plan, tmp_path, tracker, further=("semi", "finetune", "semi-finetune"))
    task = stage.source.next_task()
    assert task is not None
    assert task.along == ("semi",)
    (tmp_path / "best-seed-0" / "there").mkdir(parents=True)
    outcome = dataclasses.replace(scored("semi"), epoch=40, metrics={"knn_top1": 0.5})
    stage.source.finished(0, outcome)
    tasks = [stage.source.next_task() for _ in range(5)][3:]
    assert [task and (task.entry, task.further) for task in tasks] == [
        (Entry.BEST, ("finetune",)), (Entry.BEST, ("semi-finetune",)),
    ]  # fmt: skip
    assert stage.source.next_task() is None
    stage.logger.close({}, epoch=40, at_s=9)
    run = tracker.kept[tracker.runs("x")["x/final/1/best-seed-0"].run_id]
    assert run.metrics["test/semi_top1"] == [(40, 0.75, 5.0)]


def test_a_checkpoint_in_a_store_is_scored_from_there(plan: RetrainPlan, tmp_path: Path) -> None:
    stage = Stage(plan, tmp_path, MemoryTracker())
    for number in range(4):
        stage.source.next_task()
        stage.finish(number)
    there = "s3://bucket/x/best-seed-0/epoch-000040"
    result = read_result(tmp_path / "best-seed-0")
    assert result is not None
    write_result(tmp_path / "best-seed-0", dataclasses.replace(result, checkpoint=there))
    again = Stage(plan, tmp_path, MemoryTracker(), further=("semi",))
    task = again.source.next_task()
    assert task is not None
    assert (task.entry, task.checkpoint) == (Entry.BEST, there)

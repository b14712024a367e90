from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.enums import Decision
from hico_platform.errors import HicoError, UsageError
from hico_platform.retrain.logging import FinalMirror
from hico_platform.retrain.plan import Entry, Plan, make_plan
from hico_platform.retrain.results import read_result
from hico_platform.retrain.run import FinalCourse, RunProgress, retrain
from hico_platform.search.lock import search_lock
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.worker.datasets import Dataset
from hico_platform.worker.run_task import TrialData
from tests.small import small_config


@pytest.fixture
def plan() -> Plan:
    return make_plan(small_config(budget__epochs=40), seeds=1, epochs=None, facts={})


class Stage:
    """A course with everything around it, as one process would hold it."""

    def __init__(self, plan: Plan, directory: Path, tracker: MemoryTracker) -> None:
        self.seen: list[RunProgress] = []
        self.mirror = FinalMirror(tracker, experiment="x", key="x/final/1", tags={}, config=plan.runs[0].config)
        self.mirror.open(at_s=0)
        self.course = FinalCourse(
            plan=plan, directory=directory, cpus=1, gpus=0, observe=self.seen.append, mirror=self.mirror,
            clock=lambda: 5.0,
        )  # fmt: skip

    def finish(self, number: int) -> None:
        self.course.finished(
            number, epoch=40, stopped_early=False, metrics={"knn_top1": 0.5 + number / 10}, checkpoint="there"
        )


def test_every_run_is_handed_out_once_and_keeps_its_result(plan: Plan, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    stage = Stage(plan, tmp_path, tracker)
    tasks = []
    while (task := stage.course.next_task()) is not None:
        tasks.append(task)
    assert [task.entry for task in tasks] == [Entry.BEST, Entry.RELEASED, Entry.UNTRAINED, Entry.RAW_POSE]
    assert stage.course.at_work == 4
    assert tasks[0].report_epochs == tuple(range(2, 41, 2))
    answer = stage.course.reported(
        0, epoch=2, metrics={}, history=[(1, {"loss": 3.0}), (2, {"loss": 2.0})], checkpoint="c"
    )
    assert answer is Decision.CONTINUE
    for task in tasks:
        stage.finish(task.number)
        stage.finish(task.number)  # said twice, taken once
    assert stage.course.at_work == 0
    results = [read_result(tmp_path / run.key) for run in plan.runs]
    there = [str(tmp_path / run.key / "there") for run in plan.runs[:2]]
    assert [result and result.checkpoint for result in results] == [*there, None, None]
    stage.mirror.close({}, epoch=40, at_s=9)
    runs = tracker.runs("x")
    assert {key: run.status for key, run in runs.items()} == dict.fromkeys(
        ["x/final/1", *(f"x/final/1/{run.key}" for run in plan.runs)], RunStatus.FINISHED
    )


def test_what_has_a_result_is_not_run_again_and_what_was_cut_off_is(plan: Plan, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    first = Stage(plan, tmp_path, tracker)
    first.course.next_task()
    first.course.next_task()
    first.finish(0)
    first.mirror.close(None, epoch=40, at_s=6)
    cut_off = {key: run.status for key, run in tracker.runs("x").items()}
    assert cut_off == {
        "x/final/1": RunStatus.KILLED,
        "x/final/1/best-seed-0": RunStatus.FINISHED,
        "x/final/1/released-seed-0": RunStatus.KILLED,
    }
    again = Stage(plan, tmp_path, tracker)
    assert [said.run.key for said in again.seen if said.result] == ["best-seed-0"]
    task = again.course.next_task()
    assert task is not None
    assert task.entry is Entry.RELEASED
    again.mirror.close(None, epoch=40, at_s=7)
    assert again.mirror.run_id(plan.runs[0]) == first.mirror.run_id(plan.runs[0]), "known though not run again"


def test_a_result_that_was_not_mirrored_before_the_cut_is_mirrored_after_it(plan: Plan, tmp_path: Path) -> None:
    first = Stage(plan, tmp_path, MemoryTracker())
    first.course.next_task()
    first.finish(0)
    first.mirror.close(None, epoch=40, at_s=6)
    tracker = MemoryTracker()  # as if nothing had arrived
    again = Stage(plan, tmp_path, tracker)
    again.mirror.close(None, epoch=40, at_s=7)
    assert tracker.runs("x")["x/final/1/best-seed-0"].status is RunStatus.FINISHED


def test_a_failed_run_is_kept_as_failed_and_shown(plan: Plan, tmp_path: Path) -> None:
    tracker = MemoryTracker()
    stage = Stage(plan, tmp_path, tracker)
    stage.course.next_task()
    stage.course.failed(0, reason="a finite loss in epoch 3; got nan", traceback="Traceback ...")
    assert stage.course.failures == {"best-seed-0": "a finite loss in epoch 3; got nan"}
    assert stage.seen[-1].failure == "a finite loss in epoch 3; got nan"
    assert read_result(tmp_path / "best-seed-0") is None
    stage.mirror.close({}, epoch=40, at_s=9)
    assert tracker.runs("x")["x/final/1/best-seed-0"].status is RunStatus.FAILED


def test_failures_name_run_reason_and_remedy() -> None:
    from hico_platform.retrain.run import _failures

    error = HicoError(_failures({"best-seed-0": "out of memory"}))
    assert str(error) == ("best-seed-0: a run that trains; got 'out of memory'; mend it and run the command again")


def test_one_process_at_a_time_runs_the_final_stage_of_a_search(plan: Plan, tmp_path: Path) -> None:
    place = Dataset(place=str(tmp_path / "none"), protocol="xsub", cache=tmp_path)
    with (
        search_lock(tmp_path / "lock", name="x"),
        pytest.raises(UsageError, match=r"a final stage that is not running already; got 'x'; process \d+ on"),
    ):
        retrain(
            name="x", best=plan.runs[0].config, data=TrialData(source=place, target=None, final=True), facts={},
            directory=tmp_path, tracker=MemoryTracker(), seeds=1,
        )  # fmt: skip

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hico_platform.config.space import StopConfig
from hico_platform.errors import HicoError, Problem
from hico_platform.notify.notification import Notification, Occasion
from hico_platform.notify.watcher import SearchWatcher
from hico_platform.search.events import TrialBegan, TrialEnded, TrialReported
from hico_platform.search.execution_events import WorkerReleased
from hico_platform.search.ledger.base import Ending, Origin, TrialRecord, TrialState
from tests.unit.search.ledger.contract import report
from tests.unit.search.test_result import result

GIB = 2**30


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how many GiB of 1,000 are free."""

    def free(gib: float) -> None:
        usage = SimpleNamespace(total=1000 * GIB, free=int(gib * GIB))
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    free(500)
    return free


class Watched:
    """A watcher with a clock that is set by hand, and what it told."""

    def __init__(self, **stop: Any) -> None:
        self.now_s = 0.0
        self.told: list[Notification] = []
        self.watcher = SearchWatcher(
            name="toy",
            metric="knn_top1",
            stop=StopConfig(**stop),
            gpus=2.0,
            home=Path("home"),
            submit=self.told.append,
            clock=lambda: 1e9 + self.now_s,
            timer=lambda: self.now_s,
        )

    @property
    def titles(self) -> list[str]:
        return [told.title for told in self.told]

    def begin(self, number: int) -> None:
        trial = TrialRecord(
            number=number, state=TrialState.RUNNING, values={}, origin=Origin.SAMPLER, began_at_s=self.now_s
        )
        self.watcher(TrialBegan(trial=trial))

    def end(self, number: int, value: float, state: TrialState = TrialState.COMPLETE) -> None:
        told = dataclasses.replace(report(9, value), standard_error=0.02)
        self.watcher(TrialReported(number=number, report=told))
        reason = "no memory" if state is TrialState.FAILED else None
        self.watcher(TrialEnded(number=number, ending=Ending(state=state, epoch=9, at_s=self.now_s, reason=reason)))


def test_a_complete_trial_with_a_better_score_is_the_new_best() -> None:
    watched = Watched()
    watched.end(0, 0.5, TrialState.PRUNED)
    assert watched.titles == [], "a stopped trial is never the best"
    watched.end(1, 0.4)
    assert watched.titles == ["toy: new best knn_top1 0.400±0.020 (trial 1)"]
    assert watched.told[0].facts == {"trial": 1, "metric": "knn_top1", "value": 0.4, "standard_error": 0.02}
    watched.now_s = 1000
    watched.end(2, 0.4)
    assert len(watched.told) == 1, "as good is not better"


def test_the_best_of_five_minutes_is_told_once() -> None:
    watched = Watched()
    for number, value in enumerate((0.1, 0.2, 0.3)):
        watched.end(number, value)
    assert watched.titles == ["toy: new best knn_top1 0.100±0.020 (trial 0)"]
    watched.now_s = 299
    watched.watcher.look()
    assert len(watched.told) == 1
    watched.now_s = 300
    watched.watcher.look()
    assert watched.titles[1:] == ["toy: new best knn_top1 0.300±0.020 (trial 2)"]


def test_a_resumed_search_knows_its_best() -> None:
    watched = Watched()
    before = TrialRecord(
        number=0, state=TrialState.COMPLETE, values={}, origin=Origin.SAMPLER, began_at_s=0.0, reports=(report(9, 0.5),)
    )
    watched.watcher.resumed([before], spent_s=10.0)
    watched.end(1, 0.45)
    assert watched.titles == []


def test_a_failed_trial_is_told_with_its_reason() -> None:
    watched = Watched()
    watched.end(4, 0.1, TrialState.FAILED)
    assert (watched.titles, watched.told[0].text) == (["toy: trial 4 failed"], "no memory")
    assert watched.told[0].occasion is Occasion.FAILED


def test_silence_is_told_once_and_again_after_the_next_report() -> None:
    watched = Watched()
    watched.now_s = 600
    watched.begin(0)
    watched.now_s = 600 + 3599  # six times the pause of ten minutes
    watched.watcher.look()
    assert watched.titles == []
    watched.now_s += 1
    watched.watcher.look()
    watched.watcher.look()
    assert watched.titles == ["toy: no report for 60 minutes"]
    watched.begin(1)
    watched.now_s += 6 * 3600
    watched.watcher.look()
    assert watched.titles[1:] == ["toy: no report for 360 minutes"]


@pytest.mark.parametrize(("gib", "is_told"), [(1.9, True), (49, True), (51, False), (101, False)])
def test_a_disk_that_is_nearly_full_is_told_once(disk: Callable[[float], None], gib: float, is_told: bool) -> None:
    watched = Watched()
    disk(gib)
    watched.watcher.look()
    watched.watcher.look()
    assert watched.titles == ([f"toy: {gib:.1f} GiB left on the disk of its home"] if is_told else [])


def test_nine_tenths_of_the_budget_are_told_once() -> None:
    watched = Watched(gpu_hours=10)
    watched.watcher.resumed([], spent_s=3600)  # two GPUs: two of ten
    watched.begin(0)
    for hours in (3.4, 3.5, 3.6):  # and six and more since
        watched.now_s = hours * 3600
        watched.begin(1)  # no silence
        watched.end(1, 0.1, TrialState.PRUNED)
        watched.watcher.look()
    assert watched.titles == ["toy: 9.0 of 10 GPU-hours are used up"]
    by_the_clock = Watched(hours=1)
    by_the_clock.now_s = 3240
    by_the_clock.watcher.look()
    assert "toy: 0.9 of 1 hours are used up" in by_the_clock.titles


def test_a_paused_trial_uses_up_no_budget_and_one_that_lost_its_worker_what_it_had() -> None:
    watched = Watched(gpu_hours=10)
    watched.begin(0)
    watched.now_s = 3600.0  # two GPUs: two of ten
    watched.watcher.on_execution(WorkerReleased(number=0))
    watched.now_s = 20 * 3600.0
    watched.watcher.look()
    watched.begin(0)
    watched.now_s = 22 * 3600.0
    watched.begin(0)  # its worker was lost: six of ten
    watched.now_s = 23.4 * 3600.0
    watched.watcher.look()
    budget = [told.title for told in watched.told if told.occasion is Occasion.BUDGET]
    assert budget == []
    watched.now_s = 23.5 * 3600.0
    watched.watcher.look()
    budget = [told.title for told in watched.told if told.occasion is Occasion.BUDGET]
    assert budget == ["toy: 9.0 of 10 GPU-hours are used up"]


def test_a_trial_whose_last_report_was_an_earlier_drivers_may_be_the_new_best() -> None:
    watched = Watched()
    trial = TrialRecord(
        number=4, state=TrialState.RUNNING, values={}, origin=Origin.SAMPLER, began_at_s=0.0,
        reports=(dataclasses.replace(report(9, 0.7), standard_error=0.02),),
    )  # fmt: skip
    watched.watcher.resumed([trial], spent_s=0.0)
    watched.watcher(TrialBegan(trial=trial))
    ending = Ending(state=TrialState.COMPLETE, epoch=9, at_s=watched.now_s)
    watched.watcher(TrialEnded(number=4, ending=ending))
    assert watched.titles == ["toy: new best knn_top1 0.700±0.020 (trial 4)"]


def test_how_a_search_ends() -> None:
    watched = Watched()
    watched.end(0, 0.1)
    watched.end(1, 0.2)  # waits, as another best was just told
    watched.watcher.interrupted()
    watched.watcher.failed(ValueError("no disk"))
    assert watched.titles[1:] == [
        "toy: new best knn_top1 0.200±0.020 (trial 1)",
        "toy: interrupted",
        "toy: failed",
    ]
    assert watched.told[2].text == "Go on with: hico-platform search --resume --name toy"
    assert watched.told[3].text.startswith("no disk\n")


def test_a_search_that_was_scored_is_done_and_one_that_only_failed_has_failed() -> None:
    watched = Watched()
    found = result(ended=True)
    watched.watcher.done(found)
    watched.watcher.done(dataclasses.replace(found, best=None))
    done, failed = watched.told
    assert (done.occasion, done.title) == (Occasion.DONE, "toy: done, best knn_top1 0.500 (trial 1)")
    assert done.text.endswith("Next: hico-platform retrain toy")
    assert (failed.occasion, failed.title) == (Occasion.FAILED, "toy: failed, no trial was scored")
    assert failed.text.endswith("Next: hico-platform show toy")


def test_a_failure_is_told_without_the_traceback_that_ray_puts_into_it() -> None:
    watched = Watched()
    traceback = 'Traceback (most recent call last):\n  File "/home/me/x.py", line 1\nValueError: no disk'
    handed_on = RuntimeError(f"ray::f()\n{traceback}")
    watched.watcher.failed(handed_on)
    handed_on.cause = HicoError(Problem(field="disk", rule="space", remedy="make some"))  # type: ignore[attr-defined]
    watched.watcher.failed(handed_on)
    assert [told.text.splitlines()[0] for told in watched.told] == [
        "ValueError: no disk",
        "disk: expected space; make some",
    ]

from __future__ import annotations

import dataclasses

import pytest

from hico_platform.retrain.outlook import Outlook
from hico_platform.retrain.plan import PlannedRun, make_plan
from hico_platform.retrain.results import RunResult
from hico_platform.retrain.task_source import Overall, RunProgress
from tests.small import small_config

RUNS = make_plan(small_config(budget__epochs=40), seeds=2, epochs=None, facts={}).runs  # 4 are trained, 160 epochs


class Watched:
    """An outlook with a clock of its own."""

    def __init__(self, *, later_epochs: int = 0) -> None:
        self.now_s = 100.0
        self.seen: list[RunProgress] = []
        self.outlook = Outlook(self.seen.append, runs=RUNS, later_epochs=later_epochs, clock=lambda: self.now_s)

    def tell(self, run: PlannedRun, epoch: int, *, at_s: float, ended: bool = False) -> Overall | None:
        self.now_s = at_s
        result = RunResult(entry=run.entry, seed=0, epoch=epoch, metrics={}, checkpoint=None, seconds=1.0)
        self.outlook(RunProgress(run=run, epoch=epoch, result=result if ended else None))
        return self.seen[-1].overall


def test_the_time_left_is_that_of_the_epochs_left_at_the_speed_so_far() -> None:
    watched = Watched()
    assert watched.tell(RUNS[0], 0, at_s=100) == Overall(epochs=0, of=160, left_s=None)
    assert watched.tell(RUNS[0], 2, at_s=110) == Overall(epochs=2, of=160, left_s=pytest.approx(158 * 5))
    watched.tell(RUNS[1], 0, at_s=110)
    assert watched.tell(RUNS[1], 2, at_s=120) == Overall(epochs=4, of=160, left_s=pytest.approx(156 * 5))
    assert watched.tell(RUNS[0], 40, at_s=142, ended=True) == Overall(epochs=42, of=160, left_s=pytest.approx(118))


def test_what_was_trained_before_an_interruption_tells_nothing_of_the_speed() -> None:
    watched = Watched()
    assert watched.tell(RUNS[2], 40, at_s=100, ended=True) == Overall(epochs=40, of=160, left_s=None)
    watched.tell(RUNS[0], 0, at_s=100)
    # It comes back with 20 epochs, two of which were trained now.
    assert watched.tell(RUNS[0], 20, at_s=110) == Overall(epochs=60, of=160, left_s=pytest.approx(100 * 5))


def test_a_second_stage_counts_from_the_beginning_and_is_not_counted_twice() -> None:
    watched = Watched(later_epochs=80)
    watched.tell(RUNS[0], 0, at_s=100)
    assert watched.tell(RUNS[0], 2, at_s=110) == Overall(epochs=2, of=240, left_s=pytest.approx(238 * 5))
    later = make_plan(small_config(budget__epochs=50), seeds=1, epochs=None, facts={"other": 1}).runs
    watched.outlook.expect([dataclasses.replace(run, seed=9) for run in later])
    assert watched.tell(RUNS[0], 4, at_s=120) == Overall(epochs=4, of=260, left_s=pytest.approx(256 * 5))


def test_runs_without_training_are_passed_on_and_count_nothing() -> None:
    watched = Watched()
    untrained = next(run for run in RUNS if not run.entry.is_trained)
    assert watched.tell(untrained, 0, at_s=100, ended=True) == Overall(epochs=0, of=160, left_s=None)

"""What every scheduler does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hico_platform.config.space import SchedulerConfig, SchedulerName
from hico_platform.enums import Decision
from hico_platform.search.scheduler.asha import Asha
from hico_platform.search.scheduler.base import LearningCurve, Scheduler
from hico_platform.search.scheduler.make import make_scheduler

Curves = dict[int, LearningCurve]


EPOCHS = 9


ASHA = Asha(epochs=EPOCHS, grace_epochs=1, reduction_factor=3)


@pytest.fixture(params=list(SchedulerName))
def scheduler(request: pytest.FixtureRequest) -> Scheduler:
    return make_scheduler(SchedulerConfig(name=request.param, grace_epochs=2, report_every=2), epochs=EPOCHS)


class TestEveryScheduler:
    """What holds for all of them."""

    def test_reports_rise_and_end_with_the_budget(self, scheduler: Scheduler) -> None:
        epochs = scheduler.report_epochs
        assert list(epochs) == sorted(set(epochs))
        assert epochs[-1] == EPOCHS
        assert {2, 4, 6, 8} <= set(epochs)

    def test_the_last_epoch_never_stops(self, scheduler: Scheduler) -> None:
        others = {number: dict.fromkeys(scheduler.report_epochs, 0.9) for number in range(20)}
        assert scheduler.decide(number=20, epoch=EPOCHS, value=0.0, curves=others) is Decision.CONTINUE

    def test_the_first_trial_never_stops(self, scheduler: Scheduler) -> None:
        for epoch in scheduler.report_epochs:
            assert scheduler.decide(number=0, epoch=epoch, value=0.1, curves={0: {}}) is Decision.CONTINUE

    def test_the_best_so_far_goes_on(self, scheduler: Scheduler) -> None:
        curves = {number: dict.fromkeys(scheduler.report_epochs, number / 100) for number in range(12)}
        for epoch in scheduler.report_epochs:
            assert scheduler.decide(number=12, epoch=epoch, value=0.5, curves=curves) is Decision.CONTINUE

    def test_own_curve_changes_nothing(self, scheduler: Scheduler) -> None:
        curves = {number: dict.fromkeys(scheduler.report_epochs, number / 100) for number in range(9)}
        for epoch in scheduler.report_epochs:
            for value in (0.0, 0.04, 0.5):
                without = scheduler.decide(number=9, epoch=epoch, value=value, curves=curves)
                own = {**curves, 9: {epoch: value}}
                assert scheduler.decide(number=9, epoch=epoch, value=value, curves=own) is without


class TestReplay:
    """A scheduler over recorded curves decides as one that saw them come."""

    @given(st.integers(0, 10_000), st.sampled_from(list(SchedulerName)))
    def test_an_interruption_anywhere_changes_no_decision(self, seed: int, name: SchedulerName) -> None:
        reports = seeded_reports(seed)
        uninterrupted = replay(reports, interrupt_at=None, name=name)
        for interrupt_at in (1, len(reports) // 2, len(reports) - 1):
            assert replay(reports, interrupt_at=interrupt_at, name=name) == uninterrupted


def seeded_reports(seed: int) -> list[tuple[int, int, float]]:
    """(trial, epoch, value) in an order in which concurrent workers might report."""
    draw = random.Random(seed)
    waiting = {number: list(ASHA.report_epochs) for number in range(12)}
    reports = []
    while any(waiting.values()):
        number = draw.choice([number for number, epochs in waiting.items() if epochs])
        reports.append((number, waiting[number].pop(0), draw.random()))
    return reports


def replay(
    reports: list[tuple[int, int, float]], *, interrupt_at: int | None, name: SchedulerName
) -> dict[tuple[int, int], Decision]:
    scheduler = make_scheduler(SchedulerConfig(name=name), epochs=EPOCHS)
    curves: dict[int, dict[int, float]] = {}
    decisions: dict[tuple[int, int], Decision] = {}
    for index, (number, epoch, value) in enumerate(reports):
        if index == interrupt_at:
            scheduler = make_scheduler(SchedulerConfig(name=name), epochs=EPOCHS)
            curves = {known: dict(sorted(curve.items())) for known, curve in sorted(curves.items())}
        if decisions.get((number, max(curves.get(number, {0: 0.0}), default=0))) is Decision.STOP:
            continue
        decisions[number, epoch] = scheduler.decide(number=number, epoch=epoch, value=value, curves=curves)
        curves.setdefault(number, {})[epoch] = value
    return decisions

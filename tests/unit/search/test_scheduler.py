from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hico_platform.config.space import SchedulerConfig, SchedulerName
from hico_platform.enums import Decision
from hico_platform.search.scheduler.asha import Asha, among_the_top
from hico_platform.search.scheduler.base import LearningCurve, Scheduler
from hico_platform.search.scheduler.hyperband import Hyperband
from hico_platform.search.scheduler.make import SCHEDULERS, make_scheduler
from hico_platform.search.scheduler.median import Median

Curves = dict[int, LearningCurve]
EPOCHS = 9
ASHA = Asha(epochs=EPOCHS, grace_epochs=1, reduction_factor=3)


@pytest.fixture(params=list(SchedulerName))
def scheduler(request: pytest.FixtureRequest) -> Scheduler:
    return make_scheduler(SchedulerConfig(name=request.param, grace_epochs=2, report_every=2), epochs=EPOCHS)


class TestEveryScheduler:
    """What holds for all of them."""

    def test_is_listed(self) -> None:
        assert SCHEDULERS.keys() == set(SchedulerName)

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


class TestAsha:
    def test_rungs(self) -> None:
        assert ASHA.rungs == (1, 3)
        assert ASHA.report_epochs == (1, 3, 9)
        assert Asha(epochs=451, grace_epochs=15, reduction_factor=3).rungs == (15, 45, 135, 405)
        assert Asha(epochs=10, grace_epochs=1, reduction_factor=3, report_every=4).report_epochs == (1, 3, 4, 8, 9, 10)

    @pytest.mark.parametrize(
        ("others", "value", "decision"),
        [
            ([], 0.1, Decision.CONTINUE),
            ([0.2], 0.1, Decision.STOP),
            ([0.2], 0.3, Decision.CONTINUE),
            ([0.2], 0.2, Decision.CONTINUE),
            ([0.1, 0.2], 0.15, Decision.STOP),
            ([0.1, 0.2, 0.3, 0.4, 0.5], 0.45, Decision.CONTINUE),
            ([0.1, 0.2, 0.3, 0.4, 0.5], 0.35, Decision.STOP),
            ([math.nan, 0.1], 0.2, Decision.CONTINUE),
            ([0.1], math.nan, Decision.STOP),
        ],
    )
    def test_the_top_third_goes_on(self, others: list[float], value: float, decision: Decision) -> None:
        assert among_the_top(value, others, reduction_factor=3) is decision

    def test_only_results_at_the_rung_count(self) -> None:
        curves = {0: {1: 0.1, 3: 0.9}, 1: {1: 0.2}}
        assert ASHA.decide(number=2, epoch=3, value=0.5, curves=curves) is Decision.STOP
        assert ASHA.decide(number=2, epoch=1, value=0.5, curves=curves) is Decision.CONTINUE

    def test_between_rungs_nothing_stops(self) -> None:
        curves = {number: {2: 0.9} for number in range(5)}
        assert ASHA.decide(number=5, epoch=2, value=0.0, curves=curves) is Decision.CONTINUE

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(2, 5))
    def test_about_one_in_eta_survives_a_rung_whatever_comes(self, values: list[float], eta: int) -> None:
        seen: list[float] = []
        for value in values:
            decision = among_the_top(value, seen, reduction_factor=eta)
            seen.append(value)
            better = sum(other > value for other in seen)
            assert (decision is Decision.CONTINUE) == (better < max(1, len(seen) // eta))


class TestHyperband:
    HYPERBAND = Hyperband(epochs=EPOCHS, grace_epochs=1, reduction_factor=3)

    def test_brackets_get_trials_in_hyperbands_proportions(self) -> None:
        brackets = [self.HYPERBAND.bracket_of(number) for number in range(17)]
        # With R = 9 and eta = 3: 9, 5 and 3 configurations (Hyperband, table 1).
        assert [brackets.count(bracket) for bracket in (0, 1, 2)] == [9, 5, 3]

    def test_only_the_own_bracket_counts(self) -> None:
        first, second = (
            next(n for n in range(10, 99) if self.HYPERBAND.bracket_of(n) == bracket) for bracket in (0, 1)
        )
        curves = {number: {1: 0.9, 3: 0.9} for number in range(10) if self.HYPERBAND.bracket_of(number) == 0}
        assert self.HYPERBAND.decide(number=first, epoch=1, value=0.1, curves=curves) is Decision.STOP
        assert self.HYPERBAND.decide(number=second, epoch=3, value=0.1, curves=curves) is Decision.CONTINUE

    def test_a_later_bracket_has_no_early_rung(self) -> None:
        number = next(n for n in range(99) if self.HYPERBAND.bracket_of(n) == 1)
        curves = {other: {1: 0.9} for other in range(99)}
        assert self.HYPERBAND.decide(number=number, epoch=1, value=0.1, curves=curves) is Decision.CONTINUE


class TestMedian:
    MEDIAN = Median(epochs=EPOCHS, grace_epochs=2)

    def test_below_the_median_of_running_means_stops(self) -> None:
        curves = {number: {2: 0.1 * number, 3: 0.1 * number + 0.2} for number in range(1, 4)}
        # Running means at epoch 3 are 0.2, 0.3 and 0.4.
        assert self.MEDIAN.decide(number=9, epoch=3, value=0.29, curves=curves) is Decision.STOP
        assert self.MEDIAN.decide(number=9, epoch=3, value=0.31, curves=curves) is Decision.CONTINUE

    def test_the_best_value_so_far_counts(self) -> None:
        curves = {**{number: {2: 0.3, 3: 0.3} for number in range(1, 4)}, 9: {2: 0.5}}
        assert self.MEDIAN.decide(number=9, epoch=3, value=0.1, curves=curves) is Decision.CONTINUE

    def test_too_few_say_nothing(self) -> None:
        curves = {number: {2: 0.9} for number in range(2)}
        assert self.MEDIAN.decide(number=9, epoch=2, value=0.0, curves=curves) is Decision.CONTINUE

    def test_reports(self) -> None:
        assert self.MEDIAN.report_epochs == (2, 3, 4, 5, 6, 7, 8, 9)


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


class TestBoundaries:
    """Decisions that a change of one sign or default would turn round."""

    MEDIAN = Median(epochs=EPOCHS, grace_epochs=1)

    def median(
        self, value: float, *, epoch: int = 1, own: LearningCurve | None = None, more: Curves | None = None
    ) -> Decision:
        curves = {0: {1: 0.4, 2: 0.4}, 1: {1: 0.5, 2: 0.5}, 2: {1: 0.6, 2: 0.6}, 3: own or {}, **(more or {})}
        return self.MEDIAN.decide(number=3, epoch=epoch, value=value, curves=curves)

    def test_the_median_itself_goes_on(self) -> None:
        assert self.median(0.5) is Decision.CONTINUE
        assert self.median(0.49) is Decision.STOP

    def test_a_trial_without_a_report_is_no_other(self) -> None:
        assert self.median(0.49, more={4: {}}) is Decision.STOP

    def test_a_trial_that_has_not_got_as_far_is_no_other(self) -> None:
        assert self.median(0.49, epoch=2, more={4: {1: 0.1}, 5: {1: 0.1}}) is Decision.STOP

    def test_a_value_that_is_no_number_stops(self) -> None:
        assert self.median(math.nan) is Decision.STOP
        assert self.median(math.nan, epoch=2, own={1: 0.7}) is Decision.CONTINUE

    def test_a_report_that_comes_twice_counts_once_in_its_bracket(self) -> None:
        hyperband = Hyperband(epochs=EPOCHS, grace_epochs=1, reduction_factor=3)
        first, *others = [number for number in range(60) if hyperband.bracket_of(number) == 0][:5]
        curves = {number: {1: 0.9 if number == others[0] else 0.1} for number in others}
        for own in ({}, {first: {1: 0.5}}):
            assert hyperband.decide(number=first, epoch=1, value=0.5, curves=curves | own) is Decision.STOP

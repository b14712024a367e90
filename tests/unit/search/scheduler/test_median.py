from __future__ import annotations

import math

from hico_platform.enums import Decision
from hico_platform.search.scheduler.asha import Asha
from hico_platform.search.scheduler.base import LearningCurve
from hico_platform.search.scheduler.hyperband import Hyperband
from hico_platform.search.scheduler.median import Median

Curves = dict[int, LearningCurve]


EPOCHS = 9


ASHA = Asha(epochs=EPOCHS, grace_epochs=1, reduction_factor=3)


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

from __future__ import annotations

from hico_platform.enums import Decision
from hico_platform.search.scheduler.asha import Asha
from hico_platform.search.scheduler.base import LearningCurve
from hico_platform.search.scheduler.hyperband import Hyperband

Curves = dict[int, LearningCurve]


EPOCHS = 9


ASHA = Asha(epochs=EPOCHS, grace_epochs=1, reduction_factor=3)


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

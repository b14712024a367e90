from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hico_platform.enums import Decision
from hico_platform.search.scheduler.asha import Asha, among_the_top
from hico_platform.search.scheduler.base import LearningCurve

Curves = dict[int, LearningCurve]


EPOCHS = 9


ASHA = Asha(epochs=EPOCHS, grace_epochs=1, reduction_factor=3)


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

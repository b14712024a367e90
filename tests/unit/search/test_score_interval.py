"""The interval of a trial's score, which every page shows alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import norm

from hico_platform.commands.compare_searches import ComparedSearch
from hico_platform.search.score_interval import score_interval


def test_it_is_that_of_a_normal_distribution() -> None:
    low, high = norm.interval(0.95, loc=0.5, scale=0.02)
    assert score_interval(0.5, 0.02) == pytest.approx((low, high), abs=1e-6)


def test_it_stays_within_0_and_1() -> None:
    assert score_interval(0.95, 0.05) == pytest.approx((0.852, 1.0), abs=1e-3)
    assert score_interval(0.01, 0.02) == pytest.approx((0.0, 0.0492), abs=1e-3)


@pytest.mark.parametrize(("score", "error"), [(None, 0.1), (0.5, None), (None, None)])
def test_where_the_noise_is_not_known_there_is_none(score: float | None, error: float | None) -> None:
    assert score_interval(score, error) is None


def test_searches_are_compared_by_it() -> None:
    status: Any = SimpleNamespace(best=SimpleNamespace(value=0.95, standard_error=0.05))
    found = ComparedSearch(status=status, trial_seconds=0.0, curve=()).interval
    assert found == score_interval(0.95, 0.05)

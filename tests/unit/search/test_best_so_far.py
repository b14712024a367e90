from __future__ import annotations

import itertools
import random

import pytest

from hico_platform.search.best_so_far import BestPoint, BestSoFar
from hico_platform.search.ledger.base import TrialState

COMPLETE, PRUNED, FAILED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED
# (number, state, value, at_s), in the order of their endings.
ENDINGS = [
    (3, PRUNED, 0.9, 10.0),
    (5, COMPLETE, 0.2, 11.0),
    (0, COMPLETE, 0.4, 12.0),
    (1, FAILED, 0.8, 13.0),
    (2, COMPLETE, 0.3, 14.0),
    (4, COMPLETE, 0.4, 14.0),
]
CURVE = [
    BestPoint(step=2, at_s=11.0, number=5, value=0.2),
    BestPoint(step=3, at_s=12.0, number=0, value=0.4),
    BestPoint(step=5, at_s=14.0, number=0, value=0.4),
    BestPoint(step=6, at_s=14.0, number=0, value=0.4),
]


def curve(endings: list[tuple[int, TrialState, float, float]], **more: bool) -> BestSoFar:
    best = BestSoFar(**more)
    for number, state, value, at_s in endings:
        best.add(number, state=state, value=value, at_s=at_s)
    return best


def test_a_step_counts_the_trials_that_have_ended_and_the_value_never_falls() -> None:
    assert list(curve(ENDINGS).points) == CURVE


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_endings_become_known_does_not_matter(seed: int) -> None:
    endings = list(ENDINGS)
    random.Random(seed).shuffle(endings)
    assert list(curve(endings + endings).points) == CURVE


def test_there_is_no_best_before_a_trial_is_complete() -> None:
    assert curve(ENDINGS[:1]).last is None


def test_beyond_numbers_the_last_point_outruns_every_number_written_before() -> None:
    for order in itertools.permutations(range(5)):
        best = BestSoFar(beyond_numbers=True)
        for count, number in enumerate(order, start=1):
            best.add(number, state=COMPLETE, value=number / 10, at_s=float(count))
            assert best.last is not None
            assert best.last.step > max(order[:count])
            assert best.last.value == max(order[:count]) / 10
        steps = [point.step for point in best.points]
        assert steps == sorted(steps)

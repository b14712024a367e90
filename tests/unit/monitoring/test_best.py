from __future__ import annotations

from hico_platform.monitoring.best import BestOfSearch, Scored
from hico_platform.search.ledger.base import TrialState


def scored(epoch: int, value: float) -> Scored:
    return Scored(epoch=epoch, value=value, knn=value)


def test_before_a_trial_is_complete_the_one_with_most_epochs_is_best() -> None:
    best = BestOfSearch()
    assert best.best is None
    best.report(0, scored(1, 0.9))
    best.report(1, scored(3, 0.5))
    best.report(2, scored(3, float("nan")))
    assert best.best == scored(3, 0.5)
    best.end(1, TrialState.FAILED)
    assert best.best == scored(1, 0.9), "a failed one is not"
    best.end(0, TrialState.PRUNED)
    assert best.best == scored(1, 0.9)


def test_trials_since_the_best_are_counted() -> None:
    best = BestOfSearch()
    for number, value in enumerate([0.5, 0.4, 0.5, 0.6, 0.1]):
        best.report(number, scored(9, value))
        best.end(number, TrialState.COMPLETE)
    assert (best.best, best.since_best, best.complete) == (scored(9, 0.6), 1, 5)

from __future__ import annotations

from hico_platform.search.eta import epochs_spent, seconds_left
from hico_platform.search.ledger.base import Ending, Origin, TrialRecord, TrialState


def trial(number: int, began_at_s: float, ended_at_s: float | None = None) -> TrialRecord:
    ending = None if ended_at_s is None else Ending(state=TrialState.COMPLETE, epoch=9, at_s=ended_at_s)
    return TrialRecord(
        number=number,
        state=TrialState.RUNNING if ending is None else ending.state,
        values={},
        origin=Origin.SAMPLER,
        began_at_s=began_at_s,
        ending=ending,
    )


def test_nothing_is_known_before_the_first_end() -> None:
    assert seconds_left([trial(0, 0.0)], limit=4, now_s=10.0) is None


def test_the_rest_is_shared_by_those_at_work() -> None:
    trials = [trial(0, 0.0, 100.0), trial(1, 100.0), trial(2, 50.0)]
    # Trial 1 has 50 s to go, trial 2 is beyond the mean and counts a tenth of it, two more take 100 s each.
    assert seconds_left(trials, limit=5, now_s=150.0) == (50 + 10 + 200) / 2


def test_the_time_in_which_nobody_worked_does_not_count() -> None:
    # Trial 0 began at 0 under a driver that was cut off; the next began at 1000, and it took 100 s from there.
    trials = [trial(0, 0.0, 1100.0), trial(1, 1050.0)]
    assert seconds_left(trials, limit=2, now_s=1100.0, sessions=(0.0, 1000.0)) == 50


def test_at_the_end_nothing_is_left() -> None:
    assert seconds_left([trial(0, 0.0, 100.0)], limit=1, now_s=100.0) == 0


def test_epochs() -> None:
    assert epochs_spent([trial(0, 0.0, 1.0), trial(1, 0.0), trial(2, 0.0, 1.0)]) == 18

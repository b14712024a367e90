from __future__ import annotations

import pytest

from hico_platform.config.space import CheckedSpace
from hico_platform.search.eta import epochs_spent, expected_epochs, seconds_left
from hico_platform.search.ledger.base import Ending, Origin, TrialRecord, TrialState
from tests.toy import toy_space


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


def test_before_the_first_end_the_epochs_so_far_tell_how_long_a_trial_takes() -> None:
    trials = [trial(0, 0.0), trial(1, 0.0)]
    left_s = seconds_left(trials, limit=4, now_s=10.0, epochs_of_a_trial=6.0, epochs={0: 3, 1: 2})
    # 20 s of both for 5 epochs: 4 s an epoch, 24 s a trial; 14 s are left of each, and two more come.
    assert left_s == (14 + 14 + 24 + 24) / 2
    assert seconds_left(trials, limit=4, now_s=10.0, epochs_of_a_trial=6.0) is None, "none has trained an epoch"


def test_the_expected_epochs_of_a_trial_count_those_that_a_rung_stops() -> None:
    def space(**scheduler: object) -> CheckedSpace:
        return toy_space(trials=9, scheduler=scheduler)

    # The first and the second go on as the best of so many with probability 1 and 1/2, then one in j, from the sixth
    # on two in j.
    reaching = sum(max(1, j // 3) / j for j in range(1, 10))
    last = sum(max(1, j // 3) / j for j in range(1, round(reaching) + 1))
    found = expected_epochs(space(name="asha", grace_epochs=1, reduction_factor=3))
    assert found == pytest.approx((9 * 1 + reaching * 2 + last * 6) / 9)
    assert expected_epochs(space(name="none")) == 9.0


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

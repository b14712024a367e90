from __future__ import annotations

import pytest

from hico_platform.config.space import CheckedSpace
from hico_platform.search.eta import ExpectedEpochs, epochs_spent, seconds_left
from hico_platform.search.ledger.base import Ending, Origin, TrialRecord, TrialState
from tests.toy import toy_space


def trial(number: int, began_at_s: float, ended_at_s: float | None = None, *, epoch: int = 9) -> TrialRecord:
    ending = None if ended_at_s is None else Ending(state=TrialState.COMPLETE, epoch=epoch, at_s=ended_at_s)
    return TrialRecord(
        number=number,
        state=TrialState.RUNNING if ending is None else ending.state,
        values={},
        origin=Origin.SAMPLER,
        began_at_s=began_at_s,
        ending=ending,
    )


def space(**scheduler: object) -> CheckedSpace:
    return toy_space(trials=9, scheduler=scheduler)


WHOLE = ExpectedEpochs.of(space(name="none"))  # 9 epochs
ASHA = ExpectedEpochs.of(space(name="asha", grace_epochs=1, reduction_factor=3))


def test_nothing_is_known_before_an_epoch_was_trained() -> None:
    trials = [trial(0, 0.0), trial(1, 0.0)]
    assert seconds_left(trials, limit=4, now_s=10.0, expected=WHOLE) is None


def test_before_the_first_end_the_epochs_so_far_tell_how_long_one_takes() -> None:
    trials = [trial(0, 0.0), trial(1, 0.0)]
    left_s = seconds_left(trials, limit=4, now_s=10.0, expected=WHOLE, epochs={0: 3, 1: 2})
    # 20 s of both for 5 epochs: 4 s an epoch, 36 s a trial, of which each had 2.5 epochs or more; two more come.
    assert left_s == (4 * 6 + 4 * 6.5 + 36 + 36) / 2


def test_the_expected_epochs_of_a_trial_count_those_that_a_rung_stops() -> None:
    # The first and the second go on as the best of so many with probability 1 and 1/2, then one in j, from the sixth
    # on two in j.
    reaching = sum(max(1, j // 3) / j for j in range(1, 10))
    last = sum(max(1, j // 3) / j for j in range(1, round(reaching) + 1))
    assert ASHA.of_a_trial == pytest.approx((9 * 1 + reaching * 2 + last * 6) / 9)
    assert WHOLE.of_a_trial == 9.0


def test_who_has_passed_a_rung_is_expected_to_train_for_longer() -> None:
    first, second, third = ASHA.shares
    assert ASHA.ends == (1, 3, 9)
    assert first == 1.0
    assert ASHA.left(1) == pytest.approx(2 + 6 * third / second)
    assert ASHA.left(2.5) == pytest.approx(0.5 + 6 * third / second)
    assert (ASHA.left(3), ASHA.left(8), ASHA.left(9), ASHA.left(12)) == (6, 1, 0, 0)
    assert [ASHA.next_end(epoch) for epoch in (0, 1, 2, 3, 9, 12)] == [1, 3, 3, 9, 9, 12]


def test_short_trials_that_ended_do_not_make_the_long_ones_short() -> None:
    stopped = [trial(number, 0.0, 10.0, epoch=1) for number in range(8)]
    left_s = seconds_left([*stopped, trial(8, 0.0)], limit=9, now_s=40.0, expected=ASHA, epochs={8: 4})
    assert left_s == 10 * 5, "of five epochs of ten seconds, and not a tenth of a stopped trial"


def test_the_rest_is_shared_by_those_at_work() -> None:
    trials = [trial(0, 0.0, 90.0), trial(1, 100.0), trial(2, 50.0)]
    # 10 s an epoch: trial 1 has trained for 5, trial 2 for 9, which counts one more, and two more take 90 s each.
    assert seconds_left(trials, limit=5, now_s=150.0, expected=WHOLE) == (40 + 10 + 180) / 2


def test_it_takes_no_less_than_the_longest_that_runs() -> None:
    trials = [trial(0, 0.0, 90.0), trial(1, 80.0), trial(2, 140.0)]
    assert seconds_left(trials, limit=3, now_s=150.0, expected=WHOLE) == 80


def test_of_other_schedulers_the_trials_that_have_ended_tell() -> None:
    expected = ExpectedEpochs.of(space(name="median"))
    trials = [trial(0, 0.0, 100.0), trial(1, 100.0), trial(2, 50.0)]
    # Trial 1 has 50 s to go, trial 2 is at the mean and counts a tenth of it, two more take 100 s each.
    assert seconds_left(trials, limit=5, now_s=150.0, expected=expected) == (50 + 10 + 200) / 2


def test_the_time_in_which_nobody_worked_does_not_count() -> None:
    # Trial 0 began at 0 under a driver that was cut off; the next began at 1000, and it took 90 s from there.
    trials = [trial(0, 0.0, 1090.0), trial(1, 1050.0)]
    assert seconds_left(trials, limit=2, now_s=1100.0, sessions=(0.0, 1000.0), expected=WHOLE) == 40


def test_at_the_end_nothing_is_left() -> None:
    assert seconds_left([trial(0, 0.0, 100.0)], limit=1, now_s=100.0, expected=WHOLE) == 0


def test_epochs() -> None:
    assert epochs_spent([trial(0, 0.0, 1.0), trial(1, 0.0), trial(2, 0.0, 1.0)]) == 18

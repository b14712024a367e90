"""Time left and epochs trained, from a search's trials alone."""

from __future__ import annotations

from collections.abc import Sequence

from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.stopping import busy_s


def seconds_left(
    trials: Sequence[TrialRecord], *, limit: int, now_s: float, sessions: Sequence[float] = ()
) -> float | None:
    """An estimate of the seconds until ``limit`` trials have ended; none before the first has ended.

    Every trial left is assumed to take the mean of those that ended, less what a running one has spent already. As
    many workers share them as trials are running. ``sessions`` are the beginnings of the drivers (Unix time): the time
    between drivers is not counted.
    """
    ended = [trial for trial in trials if trial.ending is not None]
    running = [trial for trial in trials if trial.ending is None]
    return seconds_left_by(
        ended_s=sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial in ended),
        ended=len(ended),
        running_s=[busy_s(trial, now_s=now_s, sessions=sessions) for trial in running],
        to_begin=max(limit - len(trials), 0),
    )


def seconds_left_by(*, ended_s: float, ended: int, running_s: Sequence[float], to_begin: int) -> float | None:
    """The same from sums alone.

    Args:
        ended_s: seconds that the ``ended`` trials took together.
        ended: how many there are.
        running_s: the seconds that each running trial has taken so far.
        to_begin: trials that are still to begin.
    """
    if not ended:
        return None
    mean_s = ended_s / ended
    remaining = sum(max(mean_s - spent_s, 0.1 * mean_s) for spent_s in running_s) + to_begin * mean_s
    return remaining / max(len(running_s), 1)


def epochs_spent(trials: Sequence[TrialRecord]) -> int:
    """Epochs trained by all trials together."""
    return sum(trial.epoch for trial in trials)

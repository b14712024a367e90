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
    if not ended:
        return None
    mean_s = sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial in ended) / len(ended)
    running = [trial for trial in trials if trial.ending is None]
    spent_s = [busy_s(trial, now_s=now_s, sessions=sessions) for trial in running]
    remaining = sum(max(mean_s - spent, 0.1 * mean_s) for spent in spent_s)
    remaining += max(limit - len(trials), 0) * mean_s
    return remaining / max(len(running), 1)


def epochs_spent(trials: Sequence[TrialRecord]) -> int:
    """Epochs trained by all trials together."""
    return sum(trial.epoch for trial in trials)

"""How far a search is, from its trials alone."""

from __future__ import annotations

from collections.abc import Sequence

from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.stopping import busy_s


def seconds_left(
    trials: Sequence[TrialRecord], *, limit: int, now_s: float, sessions: Sequence[float] = ()
) -> float | None:
    """An estimate of the seconds until ``limit`` trials have ended; nothing before the first has.

    The work left is counted in trials of mean length; those at work count by what remains of the mean. It is
    shared by as many workers as there are trials at work. ``sessions`` are the beginnings of the drivers (Unix
    time): while there was none, nobody worked.
    """
    ended = [trial for trial in trials if trial.ending is not None]
    if not ended:
        return None
    mean_s = sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial in ended) / len(ended)
    at_work = [trial for trial in trials if trial.ending is None]
    spent_s = [busy_s(trial, now_s=now_s, sessions=sessions) for trial in at_work]
    remaining = sum(max(mean_s - spent, 0.1 * mean_s) for spent in spent_s)
    remaining += max(limit - len(trials), 0) * mean_s
    return remaining / max(len(at_work), 1)


def epochs_spent(trials: Sequence[TrialRecord]) -> int:
    """Epochs that were trained in all."""
    return sum(trial.epoch for trial in trials)

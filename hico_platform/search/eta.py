"""Time left and epochs trained, from a search's trials alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from hico_platform.config.space import CheckedSpace, SchedulerName
from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.scheduler.asha import rungs
from hico_platform.search.stopping import busy_s


def seconds_left(
    trials: Sequence[TrialRecord],
    *,
    limit: int,
    now_s: float,
    sessions: Sequence[float] = (),
    epochs_of_a_trial: float | None = None,
    epochs: Mapping[int, int] | None = None,
) -> float | None:
    """An estimate of the seconds until ``limit`` trials have ended; none before a trial has trained an epoch.

    Every trial left is assumed to take the mean of those that ended, less what a running one has spent already. As
    many workers share them as trials are running. Before the first has ended, every trial is assumed to train for
    ``epochs_of_a_trial``, as fast as those that run have trained so far.

    Args:
        trials: all that were begun.
        limit: trials in all.
        now_s: Unix time.
        sessions: the beginnings of the drivers (Unix time): the time between drivers is not counted.
        epochs_of_a_trial: the expected number; without it there is no estimate before the first end.
        epochs: of running trials by number, where more is known than their reports.
    """
    ended = [trial for trial in trials if trial.ending is not None]
    running = [trial for trial in trials if trial.ending is None]
    running_s = [busy_s(trial, now_s=now_s, sessions=sessions) for trial in running]
    to_begin = max(limit - len(trials), 0)
    if ended:
        ended_s = sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial in ended)
        return seconds_left_by(ended_s=ended_s, ended=len(ended), running_s=running_s, to_begin=to_begin)
    known = epochs or {}
    trained = sum(max(trial.epoch, known.get(trial.number, 0)) for trial in running)
    if not trained or epochs_of_a_trial is None:
        return None
    mean_s = sum(running_s) / trained * epochs_of_a_trial
    return seconds_left_by(ended_s=mean_s, ended=1, running_s=running_s, to_begin=to_begin)


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


def expected_epochs(space: CheckedSpace, *, limit: int | None = None) -> float:
    """The epochs that a trial is expected to train for, if early scores tell nothing of how trials compare.

    At a rung of ASHA the j-th trial continues if it is among the best j // reduction_factor of j, and at least one is.
    Under another scheduler it is the whole budget, which no trial exceeds.

    Args:
        space: with scheduler and budget.
        limit: trials in all; by default the space's.
    """
    settings, budget = space.settings.scheduler, space.base.budget.epochs
    count = space.settings.trials if limit is None else limit
    if settings.name is not SchedulerName.ASHA or count < 1:
        return float(budget)
    factor = settings.reduction_factor
    ends = (*rungs(grace_epochs=settings.grace_epochs, reduction_factor=factor, epochs=budget), budget)
    reaching, total = float(count), 0.0
    for begin, end in itertools.pairwise((0, *ends)):
        total += reaching * (end - begin)
        reaching = sum(max(1, arrived // factor) / arrived for arrived in range(1, round(reaching) + 1))
    return total / count


def epochs_spent(trials: Sequence[TrialRecord]) -> int:
    """Epochs trained by all trials together."""
    return sum(trial.epoch for trial in trials)

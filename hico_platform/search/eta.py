"""Time left and epochs trained, from a search's trials alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hico_platform.config.space import CheckedSpace, SchedulerName
from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.scheduler.asha import rungs
from hico_platform.search.stopping import busy_s

_LEAST_LEFT = 0.1
"""Of the mean of trials: what one that trained for longer has left where no rung says when it may end."""


class Work(NamedTuple):
    """What a trial has done, or several together."""

    seconds: float
    epochs: int


@dataclass(frozen=True, kw_only=True)
class ExpectedEpochs:
    """The epochs that trials are expected to train for, if early scores tell nothing of how trials compare.

    At a rung of ASHA the j-th trial continues if it is among the best j // reduction_factor of j, and at least one is.
    Without a scheduler it is the whole budget. Of other schedulers the trials that have ended tell.

    Attributes:
        ends: the epochs after which a trial may end, rising; the last is the budget.
        shares: the share of the trials that train up to each of them.
        is_learnt: whether trials that have ended tell more.
    """

    ends: tuple[int, ...]
    shares: tuple[float, ...]
    is_learnt: bool = False

    @classmethod
    def of(cls, space: CheckedSpace, *, limit: int | None = None) -> ExpectedEpochs:
        """By a space's scheduler and budget; ``limit``: trials in all, by default the space's."""
        settings, budget = space.settings.scheduler, space.base.budget.epochs
        count = space.settings.trials if limit is None else limit
        if settings.name is not SchedulerName.ASHA or count < 1:
            is_learnt = settings.name not in (SchedulerName.ASHA, SchedulerName.NONE)
            return cls(ends=(budget,), shares=(1.0,), is_learnt=is_learnt)
        factor = settings.reduction_factor
        ends = (*rungs(grace_epochs=settings.grace_epochs, reduction_factor=factor, epochs=budget), budget)
        shares, reaching = [], float(count)
        for _ in ends:
            shares.append(reaching / count)
            reaching = sum(max(1, arrived // factor) / arrived for arrived in range(1, round(reaching) + 1))
        return cls(ends=ends, shares=tuple(shares))

    @property
    def of_a_trial(self) -> float:
        """Epochs of a trial that is still to begin."""
        return self.left(0)

    def left(self, epoch: float) -> float:
        """Epochs that one has left which has trained for ``epoch`` and goes on."""
        stretches = [
            (max(begin, epoch), end, share)
            for (begin, end), share in zip(itertools.pairwise((0, *self.ends)), self.shares, strict=True)
            if end > epoch
        ]
        return sum((end - begin) * share for begin, end, share in stretches) / stretches[0][2] if stretches else 0.0

    def next_end(self, epoch: int) -> int:
        """The next epoch after which a trial of ``epoch`` epochs may end."""
        return next((end for end in self.ends if end > epoch), max(epoch, self.ends[-1]))


def seconds_left(
    trials: Sequence[TrialRecord],
    *,
    limit: int,
    now_s: float,
    expected: ExpectedEpochs,
    sessions: Sequence[float] = (),
    epochs: Mapping[int, int] | None = None,
) -> float | None:
    """An estimate of the seconds until ``limit`` trials have ended; none before a trial has trained an epoch.

    As :func:`seconds_left_by`; before the first has ended, epochs take as long as those of trials that run have so far.

    Args:
        trials: all that were begun.
        limit: trials in all.
        now_s: Unix time.
        expected: the epochs of a trial.
        sessions: the beginnings of the drivers (Unix time): the time between drivers is not counted.
        epochs: of running trials by number, where more is known than their reports.
    """
    known = epochs or {}

    def work(of: Sequence[TrialRecord]) -> Iterator[Work]:
        for trial in of:
            spent_s = busy_s(trial, now_s=now_s, sessions=sessions)
            yield Work(spent_s, max(trial.epoch, known.get(trial.number, 0)))

    ended = list(work([trial for trial in trials if trial.ending is not None]))
    running = list(work([trial for trial in trials if trial.ending is None]))
    done = ended or running
    return seconds_left_by(
        done=Work(sum(one.seconds for one in done), sum(one.epochs for one in done)),
        ended=len(ended),
        running=running,
        to_begin=max(limit - len(trials), 0),
        expected=expected,
    )


def seconds_left_by(
    *, done: Work, ended: int, running: Sequence[Work], to_begin: int, expected: ExpectedEpochs
) -> float | None:
    """The seconds left by sums alone; None where no epoch was trained.

    An epoch takes as long as one of those that are ``done``, a trial as many as are ``expected``: trials that have
    ended tell how long an epoch takes, and not how long those train that go on, since the short ones end first. The
    rest is shared by as many workers as trials are running, and takes no less than what any of them has left.

    Args:
        done: of the trials that have ended, or of those that run where none has.
        ended: how many have.
        running: of each that runs.
        to_begin: trials that are still to begin.
        expected: the epochs of a trial.
    """
    if not running and not to_begin:
        return 0.0
    if done.epochs <= 0:
        return None
    epoch_s = done.seconds / done.epochs
    if expected.is_learnt and ended:
        mean_s = done.seconds / ended
        left = [max(mean_s - one.seconds, _LEAST_LEFT * mean_s) for one in running]
        return _shared(left, to_begin * mean_s)
    left = []
    for one in running:  # since its report it has trained on, though not beyond where it reports next
        unseen = min(one.seconds / epoch_s, expected.next_end(one.epochs)) if epoch_s else 0.0
        left.append(epoch_s * max(expected.left(max(one.epochs, unseen)), 1.0))
    return _shared(left, to_begin * epoch_s * expected.of_a_trial)


def _shared(running_s: Sequence[float], to_begin_s: float) -> float:
    """Seconds until those that run, and what is still to begin, are done by as many workers as run."""
    return max((sum(running_s) + to_begin_s) / max(len(running_s), 1), max(running_s, default=0.0))


def epochs_spent(trials: Sequence[TrialRecord]) -> int:
    """Epochs trained by all trials together."""
    return sum(trial.epoch for trial in trials)

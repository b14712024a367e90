"""How long a worker may be silent before it is taken for hung, and how long a trial may hold one.

Pure bookkeeping, tested without workers. Seconds are handed in: only those count in which the driver itself looked,
so a driver that was paused, or waited for its database, finds nobody silent because of that.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

EPOCHS = 20
"""A worker that says nothing for so many epochs' time is hung: it says something every few seconds of an epoch."""
LEAST_S, MOST_S = 5 * 60.0, 2 * 3600.0
UNKNOWN_S = 30 * 60.0
"""The limit before any epoch is known, and for a new process until its trial begins: it may install packages first."""
KEPT = 1000
"""Epochs whose seconds are remembered."""


def silence_limit_s(silence_minutes: float | None, epochs_s: Iterable[float]) -> float:
    """Seconds of silence after which a worker is hung, by the setting or by the seconds of epochs so far."""
    if silence_minutes is not None:
        return 60.0 * silence_minutes
    known = list(epochs_s)
    if not known:
        return UNKNOWN_S
    return min(MOST_S, max(LEAST_S, EPOCHS * statistics.median(known)))


@dataclass(frozen=True, kw_only=True)
class Signs:
    """How many signs of life came of a trial's worker, and the seconds of epochs that are new among them."""

    count: int
    epochs_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """A worker that is to be killed, and why; ``silent`` where it is hung, as far as can be seen."""

    key: str
    why: str
    silent: bool


@dataclass(kw_only=True)
class _Attempt:
    signs: int = 0
    began: bool = False
    silent_s: float = 0.0
    held_s: float = 0.0


class Attempts:
    """The tasks that are with workers, by a key that each time of handing out has for itself.

    Args:
        silence_minutes: the limit of silence; by default it follows from the epochs so far.
        trial_hours: the longest that a trial may hold a worker in one go.
    """

    def __init__(self, *, silence_minutes: float | None = None, trial_hours: float | None = None) -> None:
        self._silence_minutes = silence_minutes
        self._trial_hours = trial_hours
        self._attempts: dict[str, _Attempt] = {}
        self._epochs_s: deque[float] = deque(maxlen=KEPT)

    def __contains__(self, key: str) -> bool:
        """Whether it is still with a worker."""
        return key in self._attempts

    @property
    def limit_s(self) -> float:
        """The limit of silence now."""
        return silence_limit_s(self._silence_minutes, self._epochs_s)

    def add(self, key: str) -> None:
        """A task was handed out; it may have to wait for a worker first."""
        self._attempts[key] = _Attempt()

    def heard(self, key: str, *, epochs_s: Iterable[float] = ()) -> None:
        """Its worker reported; ``epochs_s`` are the seconds of epochs that it had not passed on."""
        self._epochs_s.extend(epochs_s)
        attempt = self._attempts.get(key)
        if attempt is not None:
            attempt.began, attempt.silent_s = True, 0.0

    def remove(self, key: str) -> bool:
        """It is over; returns whether it was not before."""
        return self._attempts.pop(key, None) is not None

    def look(self, seconds: float, *, signs: Mapping[str, Signs], workers: Mapping[str, bool]) -> list[Overdue]:
        """Whose workers are to be killed.

        Args:
            seconds: since the last look.
            signs: of workers that were heard of.
            workers: the tasks that have a process, and whether that one carried out a trial before. A task that waits
                for resources is not silent.
        """
        for key, sign in signs.items():
            self._epochs_s.extend(sign.epochs_s)
            attempt = self._attempts.get(key)
            if attempt is not None and sign.count != attempt.signs:
                attempt.signs = sign.count
                self.heard(key)
        limit_s = self.limit_s
        overdue = []
        for key, used_before in workers.items():
            attempt = self._attempts.get(key)
            if attempt is None:
                continue
            attempt.silent_s += seconds
            attempt.held_s += seconds if attempt.began else 0.0
            most_s = limit_s if attempt.began or used_before else max(limit_s, UNKNOWN_S)
            hours = self._trial_hours
            if attempt.silent_s > most_s:
                why = f"silent for {_duration(attempt.silent_s)} (the limit is {_duration(most_s)})"
                overdue.append(Overdue(key=key, why=why, silent=True))
            elif hours is not None and attempt.held_s > 3600.0 * hours:
                why = f"with one worker for more than resources.trial_hours, {hours:g} h"
                overdue.append(Overdue(key=key, why=why, silent=False))
            else:
                continue
            attempt.silent_s = attempt.held_s = 0.0  # it is killed once; should that not help, again after as long
        return overdue


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

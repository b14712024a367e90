"""How long a worker may send no heartbeat before it counts as hung, and how long a trial may occupy a worker.

Bookkeeping without workers or a clock: the caller says how many seconds have passed while the driver was watching. A
driver that was paused, or waited for its database, therefore finds no worker silent because of that.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SILENT_EPOCHS = 20
"""A worker that sends nothing for the time of so many epochs is hung: it sends something every few seconds."""
MIN_LIMIT_S, MAX_LIMIT_S = 5 * 60.0, 2 * 3600.0
STARTUP_LIMIT_S = 30 * 60.0
"""The limit before the first epoch, and for a new process until its trial begins: it may install packages first."""
EPOCHS_REMEMBERED = 1000
"""The latest epochs from whose durations the limit follows."""


def silence_limit_s(silence_minutes: float | None, epochs_s: Iterable[float]) -> float:
    """Seconds without a heartbeat after which a worker is hung, by the setting or by the epochs' seconds so far."""
    if silence_minutes is not None:
        return 60.0 * silence_minutes
    known = list(epochs_s)
    if not known:
        return STARTUP_LIMIT_S
    return min(MAX_LIMIT_S, max(MIN_LIMIT_S, SILENT_EPOCHS * statistics.median(known)))


@dataclass(frozen=True, kw_only=True)
class Heartbeats:
    """How many heartbeats a trial's worker has sent, and the seconds of epochs that came with the new ones."""

    count: int
    epochs_s: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OverdueWorker:
    """A worker that is to be killed.

    Args:
        key: the attempt that it works on.
        reason: continues the sentence "it was ...".
        silent: whether it is hung, as far as heartbeats tell; else its trial has occupied it for too long.
    """

    key: str
    reason: str
    silent: bool


@dataclass(kw_only=True)
class _Attempt:
    heartbeats: int = 0
    began: bool = False
    silent_s: float = 0.0
    occupied_s: float = 0.0


class TaskAttempts:
    """The attempts at tasks that are under way, by key. Every time that a task is handed out is an attempt of its own.

    Args:
        silence_minutes: the limit without heartbeats; by default it follows from the epochs so far.
        trial_hours: the longest that a trial may occupy a worker at a stretch.
    """

    def __init__(self, *, silence_minutes: float | None = None, trial_hours: float | None = None) -> None:
        self._silence_minutes = silence_minutes
        self._trial_hours = trial_hours
        self._attempts: dict[str, _Attempt] = {}
        self._epochs_s: deque[float] = deque(maxlen=EPOCHS_REMEMBERED)

    def __contains__(self, key: str) -> bool:
        """Whether the attempt is under way."""
        return key in self._attempts

    @property
    def limit_s(self) -> float:
        """The limit without heartbeats at this moment."""
        return silence_limit_s(self._silence_minutes, self._epochs_s)

    def add(self, key: str) -> None:
        """A task was handed out; it may have to wait for a worker."""
        self._attempts[key] = _Attempt()

    def message_received(self, key: str, *, epochs_s: Iterable[float] = ()) -> None:
        """Its worker sent a message or heartbeat; ``epochs_s`` are seconds of epochs that came with it."""
        self._epochs_s.extend(epochs_s)
        attempt = self._attempts.get(key)
        if attempt is not None:
            attempt.began, attempt.silent_s = True, 0.0

    def remove(self, key: str) -> bool:
        """The attempt has ended; returns whether it was under way."""
        return self._attempts.pop(key, None) is not None

    def check(
        self, elapsed_s: float, *, heartbeats: Mapping[str, Heartbeats], workers: Mapping[str, bool]
    ) -> list[OverdueWorker]:
        """The workers that are to be killed.

        Args:
            elapsed_s: seconds since the last check.
            heartbeats: those of all workers, by attempt.
            workers: the attempts that have a process, and whether that process has run a trial before. An attempt
                that still waits for resources is not silent.
        """
        for key, received in heartbeats.items():
            self._epochs_s.extend(received.epochs_s)
            attempt = self._attempts.get(key)
            if attempt is not None and received.count != attempt.heartbeats:
                attempt.heartbeats = received.count
                self.message_received(key)
        limit_s = self.limit_s
        overdue = []
        for key, used_before in workers.items():
            attempt = self._attempts.get(key)
            if attempt is None:
                continue
            attempt.silent_s += elapsed_s
            attempt.occupied_s += elapsed_s if attempt.began else 0.0
            own_limit_s = limit_s if attempt.began or used_before else max(limit_s, STARTUP_LIMIT_S)
            reason = self._overdue_reason(attempt, own_limit_s)
            if reason is not None:
                overdue.append(OverdueWorker(key=key, reason=reason, silent=attempt.silent_s > own_limit_s))
                attempt.silent_s = attempt.occupied_s = 0.0  # killed once; if that does not help, again after as long
        return overdue

    def _overdue_reason(self, attempt: _Attempt, limit_s: float) -> str | None:
        if attempt.silent_s > limit_s:
            return f"silent for {_duration(attempt.silent_s)} (the limit is {_duration(limit_s)})"
        hours = self._trial_hours
        if hours is not None and attempt.occupied_s > 3600.0 * hours:
            return f"with one worker for more than resources.trial_hours, {hours:g} h"
        return None


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

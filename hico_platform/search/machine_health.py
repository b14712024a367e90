"""Which machines are excluded from a search because trials fail there and succeed elsewhere: bookkeeping of one driver.

Knows no workers, so it is tested without any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

MAX_FAILURES_IN_A_ROW = 3
"""Trials in a row that fail on a machine and succeed elsewhere; the machine is then excluded."""


@dataclass(frozen=True, kw_only=True)
class ExcludedMachine:
    """A machine that gets no further trial: the trials that failed there in a row, and the reason of the last one."""

    machine: str
    trials: tuple[int, ...]
    reason: str


class MachineHealth:
    """Tells a bad machine from a bad trial by retrying a failed trial on another machine.

    If the trial fails there too, the trial is at fault. If it reports progress there, the failure counts against the
    first machine. A trial that finishes on a machine clears that machine; a report does not, because the trial may
    still fail as those before it did. With one machine alone the two cannot be told apart.

    Args:
        max_failures: trials in a row after which a machine is excluded.
    """

    def __init__(self, *, max_failures: int = MAX_FAILURES_IN_A_ROW) -> None:
        self._max_failures = max_failures
        self._first_failure: dict[int, tuple[str, str]] = {}  # by trial: its machine and the reason
        self._against: dict[str, list[int]] = defaultdict(list)  # by machine: trials in a row
        self.excluded: dict[str, ExcludedMachine] = {}

    def trial_failed(self, number: int, machine: str | None, *, reason: str, usable: Collection[str]) -> bool:
        """Whether a trial that failed on ``machine`` is to be retried on another of the ``usable`` machines.

        A trial that was running on a machine when that was excluded is retried without counting as failed.
        """
        before = self._first_failure.pop(number, None)
        if machine is None or not set(usable) - {machine} - set(self.excluded):
            return False
        if machine in self.excluded:
            if before is not None:
                self._first_failure[number] = before
            return True
        if before is not None:
            return False
        self._first_failure[number] = (machine, reason)
        return True

    def trial_progressed(self, number: int, machine: str, *, finished: bool) -> ExcludedMachine | None:
        """Records that a trial reported or finished on ``machine``; returns the machine that this excludes, if any."""
        if finished:
            self._against.pop(machine, None)
        first, reason = self._first_failure.pop(number, (machine, ""))
        if first == machine or first in self.excluded:
            return None
        against = self._against[first]
        if number not in against:
            against.append(number)
        if len(against) < self._max_failures:
            return None
        self.excluded[first] = ExcludedMachine(machine=first, trials=tuple(against), reason=reason)
        return self.excluded[first]

    def avoided_by(self, number: int) -> frozenset[str]:
        """The machines on which a trial is not to run: the excluded ones, and the one on which it failed."""
        first = self._first_failure.get(number)
        return frozenset(self.excluded) | (frozenset() if first is None else {first[0]})

    def forget_failure(self, number: int) -> None:
        """Lets a trial run again on the machine on which it failed, because there is no other."""
        self._first_failure.pop(number, None)

"""Which machines trials fail on and go on elsewhere: pure bookkeeping of one driver, tested without workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

MOST_IN_A_ROW = 3
"""Trials in a row that fail on a machine and go on elsewhere, after which it is left out."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A machine that gets no further trial, with the trials that failed there in a row and why the last one did."""

    machine: str
    trials: tuple[int, ...]
    reason: str


class Machines:
    """Tells a bad machine from a bad trial by trying the trial on another machine.

    A trial that fails there too has failed by itself; one that goes on there counts against the first machine. A
    trial that finishes clears its own machine; one that only reports may yet fail as those before it did. Where there
    is one machine alone, nothing can be told.
    """

    def __init__(self, *, most_in_a_row: int = MOST_IN_A_ROW) -> None:
        self._most_in_a_row = most_in_a_row
        self._failed: dict[int, tuple[str, str]] = {}  # trial: the machine on which it failed first, and why
        self._against: dict[str, list[int]] = defaultdict(list)
        self.left_out: dict[str, LeftOut] = {}

    def failed(self, number: int, machine: str | None, *, reason: str, usable: Collection[str]) -> bool:
        """Whether a trial that failed on ``machine`` is to be tried on another of the ``usable`` ones first.

        What was with a machine that has been left out since says nothing, and is tried again too.
        """
        before = self._failed.pop(number, None)
        if machine is None or not set(usable) - {machine} - set(self.left_out):
            return False
        if machine in self.left_out:
            if before is not None:
                self._failed[number] = before
            return True
        if before is not None:
            return False
        self._failed[number] = (machine, reason)
        return True

    def went_on(self, number: int, machine: str, *, finished: bool) -> LeftOut | None:
        """A trial reported or finished on ``machine``; returns the machine that is left out from now on, if one is."""
        if finished:
            self._against.pop(machine, None)
        first, reason = self._failed.pop(number, (machine, ""))
        if first == machine or first in self.left_out:
            return None
        against = self._against[first]
        if number not in against:
            against.append(number)
        if len(against) < self._most_in_a_row:
            return None
        self.left_out[first] = LeftOut(machine=first, trials=tuple(against), reason=reason)
        return self.left_out[first]

    def avoided(self, number: int) -> frozenset[str]:
        """The machines on which a trial is not to be carried out."""
        first = self._failed.get(number)
        return frozenset(self.left_out) | (frozenset() if first is None else {first[0]})

    def forgive(self, number: int) -> None:
        """No other machine is there: a trial may go back to the one that it failed on."""
        self._failed.pop(number, None)

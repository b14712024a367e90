"""The best score of a search as a curve over the trials that have ended."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from hico_platform.search.ledger.base import TrialState


@dataclass(frozen=True, kw_only=True)
class BestPoint:
    """After ``step`` trials had ended, at ``at_s`` (Unix time), trial ``number`` was the best with ``value``."""

    step: int
    at_s: float
    number: int
    value: float


class BestSoFar:
    """The curve, from endings that may become known in any order.

    A step counts the trials that had ended by then, in the order of their endings, so the value never falls and the
    highest step has the best of all. There is a point for each complete trial; no other trial can be the best.

    Args:
        beyond_numbers: steps are also higher than the numbers of the trials that have ended, for a run in which an
            earlier version wrote points by the number of the trial.
    """

    def __init__(self, *, beyond_numbers: bool = False) -> None:
        self._beyond_numbers = beyond_numbers
        self._endings: list[tuple[float, int, float | None]] = []
        self._known: set[int] = set()
        self._points: list[BestPoint] = []
        self._highest = -1

    @property
    def points(self) -> Sequence[BestPoint]:
        """A point for each complete trial, in order."""
        return self._points

    @property
    def last(self) -> BestPoint | None:
        """The last point, which has the best score of all."""
        return self._points[-1] if self._points else None

    def add(self, number: int, *, state: TrialState, value: float | None, at_s: float) -> None:
        """Adds a trial that has ended; adding it again changes nothing."""
        if number in self._known:
            return
        self._known.add(number)
        ending = (at_s, number, value if state is TrialState.COMPLETE else None)
        index = bisect.bisect(self._endings, ending[:2], key=lambda one: one[:2])
        self._endings.insert(index, ending)
        if index < len(self._endings) - 1:  # a clock was set back: later steps change
            index, self._points, self._highest = 0, [], -1
        for rank in range(index, len(self._endings)):
            self._extend(rank + 1, *self._endings[rank])

    def _extend(self, count: int, at_s: float, number: int, value: float | None) -> None:
        self._highest = max(self._highest, number)
        if value is None:
            return
        step = max(count, self._highest + 1) if self._beyond_numbers else count
        best = self.last
        if best is not None and (best.value, -best.number) > (value, -number):
            number, value = best.number, best.value
        self._points.append(BestPoint(step=step, at_s=at_s, number=number, value=value))

"""The best score of a search so far, kept up to date without looking at all trials again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hico_platform.search.ledger.base import TrialState


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a trial has reached: epochs, the first objective, and kNN top-1 where it was reported."""

    epoch: int
    value: float
    knn: float | None


class BestOfSearch:
    """The best trial by the rule of :func:`~hico_platform.search.ledger.base.best_trial`.

    Attributes:
        complete: trials that trained for the whole budget.
        since_best: how many of them have brought nothing better since the best did.
    """

    def __init__(self) -> None:
        self.complete = 0
        self.since_best = 0
        self._latest: dict[int, Scored] = {}  # until a trial is complete, when it is not asked any more
        self._best: Scored | None = None

    @property
    def best(self) -> Scored | None:
        """The best complete trial; before there is one, the best among those with the most epochs."""
        if self._best is not None:
            return self._best
        return max(self._latest.values(), key=lambda one: (one.epoch, one.value), default=None)

    def report(self, number: int, scored: Scored) -> None:
        """A trial reported."""
        if not math.isnan(scored.value):
            self._latest[number] = scored

    def end(self, number: int, state: TrialState) -> None:
        """A trial ended."""
        if state is TrialState.PRUNED and self._best is None:
            return
        scored = self._latest.pop(number, None)
        if state is not TrialState.COMPLETE:
            return
        self.complete += 1
        if scored is None or (self._best is not None and scored.value <= self._best.value):
            self.since_best += 1
        else:
            self._best, self.since_best = scored, 0

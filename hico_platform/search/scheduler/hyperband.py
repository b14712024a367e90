"""Hyperband (Li et al., JMLR 2018) in its asynchronous form: ASHA in brackets with different first rungs.

ASHA's first rung assumes that early scores predict late ones. Hyperband hedges: the first rung of bracket s is
``grace_epochs * eta**s``, and each bracket gets so many trials that all brackets spend about the same. A trial's
bracket follows from its number alone, and only results of one bracket are compared.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from hico_platform.enums import Decision
from hico_platform.search.scheduler.asha import Asha, rungs
from hico_platform.search.scheduler.base import LearningCurve, Scheduler, report_epochs


@dataclass(frozen=True, kw_only=True)
class Hyperband(Scheduler):
    """A bracket for each rung that ASHA would have, and one that never stops."""

    epochs: int
    grace_epochs: int
    reduction_factor: int
    report_every: int | None = None

    @property
    def report_epochs(self) -> tuple[int, ...]:
        """The rungs of all brackets, regular reports and the last epoch."""
        return report_epochs(rungs=self._rungs, epochs=self.epochs, report_every=self.report_every)

    def bracket_of(self, number: int) -> int:
        """The bracket of trial ``number``; bracket 0 stops earliest and gets most trials."""
        pattern = _pattern(len(self._rungs) + 1, self.reduction_factor)
        return pattern[number % len(pattern)]

    def decide(self, *, number: int, epoch: int, value: float, curves: Mapping[int, LearningCurve]) -> Decision:
        """ASHA's answer within the trial's bracket."""
        bracket = self.bracket_of(number)
        asha = Asha(
            epochs=self.epochs,
            grace_epochs=self.grace_epochs * self.reduction_factor**bracket,
            reduction_factor=self.reduction_factor,
        )
        peers = {other: curve for other, curve in curves.items() if self.bracket_of(other) == bracket}
        return asha.decide(number=number, epoch=epoch, value=value, curves=peers)

    @property
    def _rungs(self) -> tuple[int, ...]:
        return rungs(grace_epochs=self.grace_epochs, reduction_factor=self.reduction_factor, epochs=self.epochs)


@functools.cache
def _pattern(brackets: int, eta: int) -> tuple[int, ...]:
    """Brackets in the order in which trials get them, in Hyperband's proportions, spread evenly."""
    counts = [math.ceil(brackets / (brackets - s) * eta ** (brackets - 1 - s)) for s in range(brackets)]
    positions = [((i + 0.5) / count, s) for s, count in enumerate(counts) for i in range(count)]
    return tuple(bracket for _, bracket in sorted(positions))

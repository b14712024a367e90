"""ASHA, asynchronous successive halving (Li et al., MLSys 2020), in its stopping form.

The paper promotes: a trial pauses at a rung until it is among the top 1/eta there. The stopping form, as in
Ray Tune's AsyncHyperBandScheduler and Syne Tune's ``stopping`` type, decides when the result arrives: the
trial continues if it is among the top 1/eta of the results at this rung so far, itself included, and stops
otherwise. No trial waits, and none is resumed later. At least the best continues, so the first trial at a rung
always does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hico_platform.enums import Decision
from hico_platform.search.scheduler.base import LearningCurve, Scheduler, report_epochs


@dataclass(frozen=True, kw_only=True)
class Asha(Scheduler):
    """Rungs at ``grace_epochs * reduction_factor**k`` below ``epochs``."""

    epochs: int
    grace_epochs: int
    reduction_factor: int
    report_every: int | None = None

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which trials may end, rising; the whole budget is not one."""
        return rungs(grace_epochs=self.grace_epochs, reduction_factor=self.reduction_factor, epochs=self.epochs)

    @property
    def report_epochs(self) -> tuple[int, ...]:
        """Rungs, regular reports and the last epoch."""
        return report_epochs(rungs=self.rungs, epochs=self.epochs, report_every=self.report_every)

    def decide(self, *, number: int, epoch: int, value: float, curves: Mapping[int, LearningCurve]) -> Decision:
        """Stops at a rung all but the top 1/eta there so far."""
        if epoch not in self.rungs:
            return Decision.CONTINUE
        others = (curve[epoch] for other, curve in curves.items() if other != number and epoch in curve)
        return among_the_top(value, others, reduction_factor=self.reduction_factor)


def rungs(*, grace_epochs: int, reduction_factor: int, epochs: int) -> tuple[int, ...]:
    """``grace_epochs * reduction_factor**k`` below ``epochs``."""
    found = []
    epoch = grace_epochs
    while epoch < epochs:
        found.append(epoch)
        epoch *= reduction_factor
    return tuple(found)


def among_the_top(value: float, others: Iterable[float], *, reduction_factor: int) -> Decision:
    """CONTINUE if the value is among the best max(1, floor(n / eta)) of the n results at a rung; NaN is worst."""
    if math.isnan(value):
        return Decision.STOP
    results = [value, *(other for other in others if not math.isnan(other))]
    better = sum(other > value for other in results)
    return Decision.CONTINUE if better < max(1, len(results) // reduction_factor) else Decision.STOP

"""The median stopping rule of Google Vizier (Golovin et al., KDD 2017, section 3.2.2)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from hico_platform.enums import Decision
from hico_platform.search.scheduler.base import LearningCurve, Scheduler

FEWEST_OTHERS = 3


@dataclass(frozen=True, kw_only=True)
class Median(Scheduler):
    """Stops a trial whose best value so far is below the median of the others' running means at that epoch."""

    epochs: int
    grace_epochs: int
    report_every: int | None = None

    @property
    def report_epochs(self) -> tuple[int, ...]:
        """Every ``report_every``-th epoch (every epoch by default) from the grace epoch on, and the last."""
        return (*range(self.grace_epochs, self.epochs, self.report_every or 1), self.epochs)

    def decide(self, *, number: int, epoch: int, value: float, curves: Mapping[int, LearningCurve]) -> Decision:
        """Compares with other trials that reached this epoch; with fewer than three of them the trial continues."""
        if epoch >= self.epochs:
            return Decision.CONTINUE
        means = [
            statistics.fmean(v for at, v in curve.items() if at <= epoch)
            for other, curve in curves.items()
            if other != number and max(curve, default=0) >= epoch
        ]
        means = [mean for mean in means if not math.isnan(mean)]
        if len(means) < FEWEST_OTHERS:
            return Decision.CONTINUE
        own = [value, *(v for at, v in curves.get(number, {}).items() if at < epoch)]
        best = max((v for v in own if not math.isnan(v)), default=-math.inf)
        return Decision.STOP if best < statistics.median(means) else Decision.CONTINUE

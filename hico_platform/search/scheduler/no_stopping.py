"""No scheduler: every trial uses its whole budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hico_platform.enums import Decision
from hico_platform.search.scheduler.base import LearningCurve, Scheduler, report_epochs


@dataclass(frozen=True, kw_only=True)
class NoStopping(Scheduler):
    """Lets everything run to ``epochs``."""

    epochs: int
    report_every: int | None = None

    @property
    def report_epochs(self) -> tuple[int, ...]:
        """Regular reports and the last epoch."""
        return report_epochs(rungs=(), epochs=self.epochs, report_every=self.report_every)

    def decide(self, *, number: int, epoch: int, value: float, curves: Mapping[int, LearningCurve]) -> Decision:
        """Always continues."""
        return Decision.CONTINUE

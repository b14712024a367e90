"""What a scheduler is: a pure function from recorded learning curves to a decision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from hico_platform.enums import Decision

LearningCurve = Mapping[int, float]
"""Epoch to validation kNN top-1, as reported."""


class Scheduler(ABC):
    """Decides at each report whether a trial continues or stops early.

    It has no state: all that it needs is in the curves, which the ledger records. So the scheduler of a resumed search
    decides as it would have without the interruption.
    """

    @property
    @abstractmethod
    def report_epochs(self) -> tuple[int, ...]:
        """The epochs at which trials validate and report, rising; the last is the whole budget."""

    @abstractmethod
    def decide(self, *, number: int, epoch: int, value: float, curves: Mapping[int, LearningCurve]) -> Decision:
        """The answer to a report of ``value`` at ``epoch`` by trial ``number``.

        ``curves`` holds what other trials reported before; the trial's own curve may be among them. The last
        epoch never stops a trial.
        """


def report_epochs(*, rungs: tuple[int, ...], epochs: int, report_every: int | None) -> tuple[int, ...]:
    """Rungs, every ``report_every``-th epoch, and the last."""
    regular = range(report_every, epochs, report_every) if report_every else ()
    return tuple(sorted({*rungs, *regular, epochs}))

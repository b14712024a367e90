"""What happens in a search, for whoever shows or mirrors it. The ledger holds it already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hico_platform.search.ledger.base import Ending, ReportRecord, TrialRecord


@dataclass(frozen=True, kw_only=True)
class TrialBegan:
    """A trial is handed to a worker; ``trial`` has reports already where it was begun before."""

    trial: TrialRecord


@dataclass(frozen=True, kw_only=True)
class TrialReported:
    """A trial reported and was answered."""

    number: int
    report: ReportRecord


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A trial is over: complete, stopped or failed."""

    number: int
    ending: Ending


Event = TrialBegan | TrialReported | TrialEnded
Observer = Callable[[Event], None]

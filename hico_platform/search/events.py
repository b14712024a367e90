"""The events of a search, for views and trackers. Each is in the ledger before it is observed."""

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
    """A trial reported and was answered; ``report`` is what the ledger has of it."""

    number: int
    report: ReportRecord


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A trial ended: complete, stopped early or failed."""

    number: int
    ending: Ending


Event = TrialBegan | TrialReported | TrialEnded
Observer = Callable[[Event], None]

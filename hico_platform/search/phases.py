"""The phases of a search or a retraining before and after its trials run, for people who wait meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hico_platform.search.task import TrialActivity


class Phase(StrEnum):
    """What a driver does while no trial reports, in words that people read."""

    LIBRARIES = "loading libraries"
    DATA = "opening the data"
    LEDGER = "opening the ledger"
    TRACKING = "opening the tracking store"
    RAY = "starting Ray"
    GPU = "measuring what a trial takes of a GPU"
    WORKERS = "starting workers"
    REPORTS = "training to the first report"
    COMPARING = "comparing the results"
    EXPORTING = "encoding the gallery and fitting the probe"
    REGISTERING = "registering the model"
    FIGURES = "drawing figures"
    CLOSING = "completing the tracking store"


@dataclass(frozen=True, kw_only=True)
class DriverWatch:
    """What a driver tells of its work besides events: its phases, and what running trials do between reports."""

    on_phase: Callable[[Phase], None] = lambda phase: None
    on_activity: Callable[[TrialActivity], None] = lambda activity: None


UNWATCHED = DriverWatch()
"""Nobody waits."""

"""What importing, mapping and merging do while no recording is counted, in words that people read."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class DataPhase(StrEnum):
    """A part of the work before the first recording or after the last one."""

    OPENING = "opening the data"
    FINDING = "looking for recordings"
    LAYOUT = "finding the layout that fits"
    COPIES = "looking for copies"
    COMPLETING = "completing the store"


OnPhase = Callable[[DataPhase], None]


def nobody_waits(phase: DataPhase) -> None:
    """Tells nobody."""

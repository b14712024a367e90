"""Checks before work begins whether a tracking store accepts writes."""

from __future__ import annotations

import threading

from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.sqlite_files import sqlite_file
from hico_platform.tracking.base import Tracker, TrackingError, TrackingRefused

PATIENCE_S = 10.0


def check_tracking(tracker: Tracker, experiment: str, *, patience_s: float = PATIENCE_S) -> None:
    """Rejects a store that refuses all writes; one that is away, or slow, may be back later.

    Raises:
        UsageError: the store refuses what is written.
    """
    refusals: list[TrackingRefused] = []

    def ask() -> None:
        try:
            tracker.check(experiment)
        except TrackingRefused as refusal:
            refusals.append(refusal)
        except TrackingError:
            pass  # the first write reports it

    asking = threading.Thread(target=ask, name="tracking check", daemon=True)
    asking.start()
    asking.join(patience_s)
    if refusals:
        raise refused(tracker, refusals[0], rule="a tracking store that takes what is written")


def lost_store(uri: str) -> str | None:
    """Why a store has nothing of what was written to it: its SQLite file is gone, and would be made anew; or None."""
    file = sqlite_file(uri)
    return None if file is None or file.exists() else f"{file} is not there"


def refused(tracker: Tracker, refusal: TrackingRefused, *, rule: str) -> UsageError:
    """The error of a command whose store refuses it."""
    value = f"{tracker.address}, which refuses: {refusal}"
    return UsageError(Problem(field="--tracking", rule=rule, value=value, remedy=refusal.remedy))


def away(tracker: Tracker, error: TrackingError) -> HicoError:
    """The error of a command that needs a store which is away."""
    return HicoError(
        Problem(
            field="--tracking",
            rule="a tracking store that answers",
            value=f"{tracker.address} ({error})",
            remedy="try again when it is back",
        )
    )

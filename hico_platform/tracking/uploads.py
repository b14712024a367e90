"""Files that are uploaded to a run after it has ended; a tag of the run tells whether they are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hico_platform.tracking.base import Run, Tracker, TrackingRefused

UPLOADS_TAG = "hico.uploads"
"""``waiting``, ``kept``, or ``refused`` with the reason; runs of earlier versions ended after their uploads."""

WAITING, KEPT = "waiting", "kept"
MOST_ANSWERS = 5
"""A server that answers so many times with an error (5xx) refuses that upload."""

TAG_CHARACTERS = 5000


def keep_files(tracker: Tracker, run_id: str, files: Mapping[str, Path | str]) -> None:
    """Uploads folders, files and texts, by the names of their artifacts, and notes that they are there.

    Raises:
        TrackingError: the store is away.
        TrackingRefused: it does not take one of them; the run has the reason.
    """
    try:
        for name, content in files.items():
            if isinstance(content, str):
                tracker.log_text(run_id, content, name=name)
            elif content.exists():  # a search that goes on removes older checkpoints
                tracker.log_folder(run_id, content, name=name)
    except TrackingRefused as error:
        tracker.set_tags(run_id, {UPLOADS_TAG: f"refused: {error}"[:TAG_CHARACTERS]})
        raise
    tracker.set_tags(run_id, {UPLOADS_TAG: KEPT})


def are_missing(run: Run) -> bool:
    """Whether files of a run that has ended are still to be uploaded."""
    return run.tags.get(UPLOADS_TAG, KEPT) != KEPT

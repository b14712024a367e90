"""Files that are uploaded to a run after it has ended; a tag of the run tells whether they are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hico_platform.search.trial_checkpoints import kept_record
from hico_platform.tracking.base import Run, Tracker, TrackingRefused

UPLOADS_TAG = "hico.uploads"
"""``waiting``, ``kept``, or ``refused`` with the reason; runs of earlier versions ended after their uploads."""

CHECKPOINT_TAG = "hico.checkpoint"
"""What was taken of a trial's checkpoint, when and why; runs whose checkpoint is whole have no such tag."""

CHECKPOINT = "checkpoint"
"""The artifact that is a trial's checkpoint."""

WAITING, KEPT = "waiting", "kept"
MOST_ANSWERS = 5
"""A server that answers so many times with an error (5xx) refuses that upload."""

TAG_CHARACTERS = 5000


def keep_files(tracker: Tracker, run_id: str, files: Mapping[str, Path | str]) -> None:
    """Uploads folders, files and texts, by the names of their artifacts, and notes that they are there.

    Of a checkpoint of which something was taken away, the run has what is left, and a tag with what went and why.

    Raises:
        TrackingError: the store is away.
        TrackingRefused: it does not take one of them; the run has the reason.
    """
    taken = taken_of(files)
    try:
        if taken is not None:
            tracker.remove_artifact(run_id, name=CHECKPOINT)
        for name, content in files.items():
            if isinstance(content, str):
                tracker.log_text(run_id, content, name=name)
            elif content.exists():  # a search that goes on removes older checkpoints
                tracker.log_folder(run_id, content, name=name)
    except TrackingRefused as error:
        tracker.set_tags(run_id, {UPLOADS_TAG: f"refused: {error}"[:TAG_CHARACTERS]})
        raise
    tracker.set_tags(run_id, {UPLOADS_TAG: KEPT, **({} if taken is None else {CHECKPOINT_TAG: taken})})


def taken_of(files: Mapping[str, Path | str]) -> str | None:
    """What was taken of the checkpoint among a trial's files, in words; None where nothing was."""
    checkpoint = files.get(CHECKPOINT)
    record = kept_record(checkpoint.parent) if isinstance(checkpoint, Path) else None
    return None if record is None else str(record)[:TAG_CHARACTERS]


def is_outdated(run: Run, files: Mapping[str, Path | str]) -> bool:
    """Whether more was taken of a checkpoint than its run says."""
    taken = taken_of(files)
    return taken is not None and run.tags.get(CHECKPOINT_TAG) != taken


def are_missing(run: Run) -> bool:
    """Whether files of a run that has ended are still to be uploaded."""
    return run.tags.get(UPLOADS_TAG, KEPT) != KEPT

"""What people add to a search (a note, tags, the archive), as tags of the search's own run in the tracking store."""

from __future__ import annotations

from collections.abc import Mapping

from hico_platform.search.ledger.base import Ledger
from hico_platform.search.notes import ARCHIVED, PERSONS_NOTE
from hico_platform.search.tags import PersonsNote
from hico_platform.tracking.base import Tracker

NOTE_TAG, TAGS_TAG, ARCHIVED_TAG = "hico.note", "hico.tags", "hico.archived"
RUN_NOTE = "run"
"""The note of a ledger with the id of the search's run."""


def label_tags(ledger: Ledger, *, empty: bool = False) -> Mapping[str, str]:
    """The tags; ``empty`` ones too, which clear what a run had before."""
    note = PersonsNote.from_plain(ledger.note(PERSONS_NOTE))
    found = {
        NOTE_TAG: "" if note is None else note.text,
        TAGS_TAG: ", ".join(tag.name for tag in ledger.tags()),
        ARCHIVED_TAG: "true" if ledger.note(ARCHIVED) else "",
    }
    return found if empty else {name: value for name, value in found.items() if value}


def copy_labels(tracker: Tracker, ledger: Ledger) -> bool:
    """Writes them to the run of a search; returns whether the search has one. The next driver copies them too.

    Raises:
        TrackingError: the store is away.
        TrackingRefused: it does not take them.
    """
    run_id = ledger.note(RUN_NOTE)
    if not isinstance(run_id, str) or not run_id:
        return False
    tracker.set_tags(run_id, label_tags(ledger, empty=True))
    return True

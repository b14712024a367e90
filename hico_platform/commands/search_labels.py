"""Notes, tags and the archive: what people add to a search, in its ledger first and then in the tracking store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hico_platform.home import HomePaths
from hico_platform.home_access import follow_home
from hico_platform.search.drivers import user_name
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.notes import ARCHIVED, PERSONS_NOTE
from hico_platform.search.tags import TagRecord, check_note, check_tag
from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.check import lost_store
from hico_platform.tracking.search_labels import RUN_NOTE, copy_labels


def write_note(paths: HomePaths, name: str, text: str) -> str | None:
    """Writes a note about a search over the one that it had; an empty one takes it away.

    Returns why the tracking store does not have it, if it has not.

    Raises:
        UsageError: there is no such search, or the text is too long.
    """
    check_note(text)

    def write(ledger: Ledger) -> None:
        ledger.set_note(PERSONS_NOTE, {"text": text, **_signature()} if text else None)

    return _changed(paths, name, write)


def change_tags(paths: HomePaths, name: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> str | None:
    """Adds and takes away tags of a search; returns as :func:`write_note`.

    Raises:
        UsageError: there is no such search, or a tag breaks the rule; nothing is changed then.
    """
    added = [TagRecord(name=check_tag(tag), by=user_name(), at_s=time.time()) for tag in add]
    removed = [check_tag(tag) for tag in remove]

    def write(ledger: Ledger) -> None:
        for tag in added:
            ledger.set_tag(tag)
        for one in removed:
            ledger.remove_tag(one)

    return _changed(paths, name, write)


def archive(paths: HomePaths, name: str, *, undo: bool = False) -> str | None:
    """Hides a search from lists, or shows it again; returns as :func:`write_note`.

    Raises:
        UsageError: there is no such search.
    """
    return _changed(paths, name, lambda ledger: ledger.set_note(ARCHIVED, None if undo else _signature()))


def opened(paths: HomePaths, name: str) -> Ledger:
    """The ledger of an existing search, to write to it; no database is created.

    Raises:
        UsageError: there is no such search or no database.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)
    follow_home(paths.home)
    return StudyLedger.open(open_storage(paths.storage_url), name=name, settle=False)


def _changed(paths: HomePaths, name: str, write: Callable[[Ledger], None]) -> str | None:
    ledger = opened(paths, name)
    write(ledger)
    if not ledger.note(RUN_NOTE):
        return None
    if lost := lost_store(paths.tracking_uri):
        return lost
    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    try:
        copy_labels(MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts), ledger)
    except (TrackingError, TrackingRefused) as error:
        return str(error)
    return None


def _signature() -> dict[str, object]:
    return {"by": user_name(), "at_s": time.time()}

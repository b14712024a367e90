"""Gives a search another name: in its study, its folder and its experiment; an interrupted rename can be done again.

The study is renamed last, in one transaction. Until then it has a note of the rename, with which no driver starts and
by which the same command goes on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.commands.search_labels import opened
from hico_platform.errors import Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.names import check_name
from hico_platform.search.at_rest import at_rest, check_owner
from hico_platform.search.drivers import user_name
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.lock import search_lock
from hico_platform.search.notes import RENAMING
from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.search_labels import RUN_NOTE

if TYPE_CHECKING:
    from hico_platform.search.ledger.optuna_ledger import Storage


def rename_search(paths: HomePaths, name: str, new: str, *, force: bool = False) -> None:
    """Renames the search ``name``.

    Raises:
        UsageError: it runs, is another person's, or the name is taken by a search, a folder or an experiment; the
            tracking store refuses it.
        HicoError: the tracking store is away; the same command goes on when it is back.
    """
    from hico_platform.search.ledger.names import other_study_names, search_names
    from hico_platform.search.ledger.optuna_ledger import open_storage
    from hico_platform.search.ledger.rename_study import rename_study

    check_name(new, field="NEW")
    ledger = opened(paths, name)
    check_owner(ledger, force=force)
    storage = open_storage(paths.storage_url)
    if new in {*search_names(storage), *other_study_names(storage)}:
        raise UsageError(
            Problem(field="NEW", rule="a name that no search has yet", value=new, remedy="give another name")
        )
    _check_same_rename(ledger, new)
    old_folder, new_folder = paths.search(name), paths.search(new)
    _check_folder(ledger, old_folder, new_folder)
    with at_rest(paths, ledger, storage), _kept_free(paths, new, storage):
        _check_folder(ledger, old_folder, new_folder)  # again: a search may have begun there meanwhile
        tracked = bool(ledger.note(RUN_NOTE))
        if tracked:
            _in_tracking(paths, name, new, only_check=True)
        ledger.set_note(RENAMING, {"to": new, "by": user_name(), "at_s": time.time()})
        if tracked:
            _in_tracking(paths, name, new)
        _move(old_folder, new_folder)
        rename_study(storage, name, new)


@contextmanager
def _kept_free(paths: HomePaths, new: str, storage: Storage) -> Iterator[None]:
    """Holds what a search of the new name would hold, so that none begins while this one is being renamed."""
    from hico_platform.search.ledger.driver_lock import driver_lock

    with ExitStack() as stack:
        for file in paths.locks(new):
            stack.enter_context(search_lock(file, name=new, otherwise="give another name"))
        stack.enter_context(driver_lock(storage, name=new))
        yield


def _check_same_rename(ledger: Ledger, new: str) -> None:
    begun = ledger.note(RENAMING)
    if isinstance(begun, dict) and begun.get("to") not in (None, new):
        raise UsageError(
            Problem(
                field="NEW",
                rule=f"the name {begun['to']}, to which a rename was interrupted",
                value=new,
                remedy=f"give {begun['to']}, and rename it once more after that",
            )
        )


def _check_folder(ledger: Ledger, old: Path, new: Path) -> None:
    """A folder is moved once; where it is in another home it would be lost to the search."""
    if _has_content(new) and (_has_content(old) or ledger.note(RENAMING) is None):
        raise _folder_taken(new)
    if ledger.trials() and not _has_content(old) and not _has_content(new):
        raise UsageError(
            Problem(
                file=old,
                rule="a home that holds the folder of the search",
                remedy="rename it where it was begun: its checkpoints are in the home there",
            )
        )


def _in_tracking(paths: HomePaths, name: str, new: str, *, only_check: bool = False) -> None:
    from hico_platform.tracking.check import away, lost_store, refused

    if lost_store(paths.tracking_uri):
        return
    from hico_platform.tracking.mlflow_tracker import MlflowTracker
    from hico_platform.tracking.search_experiment import check_rename, rename_experiment

    tracker = MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts)
    try:
        if only_check:
            check_rename(tracker, name, new)
        else:
            rename_experiment(tracker, name, new, artifacts=paths.artifacts)
    except TrackingError as error:
        raise away(tracker, error) from error
    except TrackingRefused as error:
        raise refused(tracker, error, rule="a tracking store in which the experiment can be renamed") from error


def _move(old: Path, new: Path) -> None:
    """Moves a folder; a lock alone is no content."""
    if not _has_content(old):
        shutil.rmtree(old, ignore_errors=True)
        return
    with suppress(FileNotFoundError):
        (new / "lock").unlink()
    try:
        old.rename(new)  # over a folder that is empty, and over no other
    except OSError as error:
        if not _has_content(new):
            raise
        raise _folder_taken(new) from error


def _folder_taken(new: Path) -> UsageError:
    return UsageError(
        Problem(file=new, rule="a name whose folder is free", remedy="give another name, or move this one away")
    )


def _has_content(folder: Path) -> bool:
    return folder.is_dir() and any(entry.name != "lock" for entry in folder.iterdir())

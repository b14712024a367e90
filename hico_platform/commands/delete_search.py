"""Deletes a search: its runs, its files and its folder, and last its study; an interrupted deletion can be repeated.

While the study is there the search is still known by name, and its note of the deletion keeps a driver from starting.
What a registered model is made of stays, in the tracking store and on the disk: people fetch it by its own name.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.commands.search_labels import opened
from hico_platform.errors import HicoError, Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.search.at_rest import at_rest, check_owner
from hico_platform.search.checkpoint_place import stores_of
from hico_platform.search.disk_use import folder_bytes, stored_bytes
from hico_platform.search.drivers import user_name
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.notes import CHECKPOINTS, DELETING
from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.search_labels import RUN_NOTE

if TYPE_CHECKING:
    from hico_platform.tracking.search_experiment import SearchExperiment


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What a deletion takes away.

    Attributes:
        name: of the search.
        trials: how many it has.
        folder: the search's folder in this home.
        folder_bytes: what is in it; None where there is none.
        runs: how many runs of the tracking store are marked as deleted.
        artifact_bytes: of their files in this home.
        stored: bytes in stores of checkpoints, by address; None where a store does not say.
        kept: registered models that stay, with the runs and files that they are made of.
        champions: those of them that people fetch as champion.
    """

    name: str
    trials: int
    folder: Path
    folder_bytes: int | None
    runs: int
    artifact_bytes: int
    stored: Mapping[str, int | None]
    kept: tuple[str, ...]
    champions: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """What is free on the disk and in stores afterwards, as far as it is known."""
        return (self.folder_bytes or 0) + self.artifact_bytes + sum(one or 0 for one in self.stored.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "name": self.name,
            "trials": self.trials,
            "folder": str(self.folder),
            "folder_bytes": self.folder_bytes,
            "runs": self.runs,
            "artifact_bytes": self.artifact_bytes,
            "stored": dict(self.stored),
            "bytes": self.bytes,
            "kept": list(self.kept),
            "champions": list(self.champions),
        }


def deletion_of(paths: HomePaths, name: str) -> Deletion:
    """What deleting a search would take away; changes nothing.

    Raises:
        UsageError: there is no such search, or the tracking store does not answer as it should.
        HicoError: the tracking store is away: what is registered there is not known.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    ledger = StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)
    found = _tracked(paths, ledger)
    runs = () if found is None else found.runs
    artifacts = 0
    if paths.artifacts is not None:
        from hico_platform.tracking.search_experiment import artifacts_of

        folders = [artifacts_of(paths.artifacts, name, run_id) for run_id in runs]
        artifacts = sum(folder_bytes(folder) or 0 for folder in folders if folder is not None)
    models = () if found is None else found.models
    return Deletion(
        name=name,
        trials=len(ledger.trials()),
        folder=paths.search(name),
        folder_bytes=folder_bytes(paths.search(name)),
        runs=len(runs),
        artifact_bytes=artifacts,
        stored=stored_bytes(stores_of(paths, name, ledger.note(CHECKPOINTS))),
        kept=tuple(str(model) for model in models),
        champions=tuple(str(model) for model in models if model.is_champion),
    )


def delete_search(paths: HomePaths, name: str, *, force: bool = False) -> None:
    """Deletes a search.

    Raises:
        UsageError: it runs, is another person's, or a model of it is champion and nothing is forced.
        HicoError: the tracking store is away, or files cannot be removed; the same command goes on afterwards.
    """
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    ledger = opened(paths, name)
    check_owner(ledger, force=force)
    storage = open_storage(paths.storage_url)
    with at_rest(paths, ledger, storage):
        found = _tracked(paths, ledger)
        champions = [str(model) for model in (() if found is None else found.models) if model.is_champion]
        if champions and not force:
            raise UsageError(
                Problem(
                    field="NAME",
                    rule="a search whose model is nobody's champion",
                    value=f"{name}, of which {', '.join(champions)} is",
                    remedy="add --force: the model stays, and where it came from cannot be looked up any more",
                )
            )
        ledger.set_note(DELETING, {"by": user_name(), "at_s": time.time()})
        if found is not None:
            _delete_tracked(paths, ledger, found)
        _remove_stored(stores_of(paths, name, ledger.note(CHECKPOINTS)))
        _remove(paths.search(name), name=name)
        StudyLedger.delete(storage, name=name)
    shutil.rmtree(paths.search(name), ignore_errors=True)  # what a reader that looked meanwhile has made


def _remove_stored(stores: Sequence[CheckpointStore]) -> None:
    """Removes what a search and its retrainings have in stores."""
    for store in stores:
        try:
            store.remove("")
        except StoreAwayError as error:
            rule, remedy = "a store of checkpoints that answers", "run it again when it is back"
            raise HicoError(Problem(field=store.address(), rule=rule, value=str(error), remedy=remedy)) from error


def _tracked(paths: HomePaths, ledger: Ledger) -> SearchExperiment | None:
    """What the tracking store has of a search; None where it has nothing, or the search was never tracked."""
    from hico_platform.tracking.check import away, lost_store, refused

    if not ledger.note(RUN_NOTE) or lost_store(paths.tracking_uri):
        return None
    from hico_platform.tracking.mlflow_tracker import MlflowTracker
    from hico_platform.tracking.search_experiment import experiment_of

    tracker = MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts)
    try:
        return experiment_of(tracker, ledger.search)
    except TrackingError as error:
        raise away(tracker, error) from error
    except TrackingRefused as error:
        raise refused(tracker, error, rule="a tracking store that says what it has") from error


def _remove(folder: Path, *, name: str) -> None:
    """Removes a folder with all that is in it.

    Raises:
        HicoError: something stays, which nobody would look for once the study is gone.
    """
    failed: list[str] = []
    shutil.rmtree(folder, onerror=lambda _, path, error: failed.append(f"{path} ({error[1]})"))
    # What a network file system keeps of the lock, which is still held, goes with the process.
    left = [path for path in _files_below(folder) if not path.name.startswith(".nfs")]
    if left:
        raise HicoError(
            Problem(
                file=folder,
                rule="a folder whose files this user may remove",
                value=failed[0] if failed else str(left[0]),
                remedy=f"remove it, or change its mode, then run it again: {command('delete', name)}",
            )
        )


def _files_below(folder: Path) -> list[Path]:
    if folder.is_symlink():
        return [folder]
    return [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]


def _delete_tracked(paths: HomePaths, ledger: Ledger, found: SearchExperiment) -> None:
    from hico_platform.tracking.check import away, refused
    from hico_platform.tracking.mlflow_tracker import MlflowTracker
    from hico_platform.tracking.search_experiment import delete_runs

    tracker = MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts)
    try:
        delete_runs(tracker, ledger.search, found, artifacts=paths.artifacts)
    except TrackingError as error:
        raise away(tracker, error) from error
    except TrackingRefused as error:
        raise refused(tracker, error, rule="a tracking store in which runs can be deleted") from error

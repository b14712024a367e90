"""The checkpoints of a retraining in a store, where they are not in its home: claimed, written, and fetched again."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hico_platform.atomic_io import write_whole
from hico_platform.checkpoint_store import CheckpointStore, fetch_address, is_in_a_store
from hico_platform.retrain.task import RetrainTask, run_retrain_task
from hico_platform.search.checkpoint_place import (
    RETRAINING,
    CheckpointsAsked,
    agreed_store,
    mark,
    note_of,
    store_from,
)
from hico_platform.search.messages import ReportFunction, TrialOutcome

if TYPE_CHECKING:  # the driver does without torch
    from hico_platform.worker.run_task import TrialData

_log = logging.getLogger(__name__)


def retrain_store(asked: CheckpointsAsked | None, folder: Path, *, whose: str) -> CheckpointStore | None:
    """Where the runs of a plan's folder have their checkpoints, or will have them; None is that folder. Writes nothing.

    Raises:
        UsageError: they are elsewhere.
    """
    known = _known(folder)
    has_begun = folder.is_dir() and any(one.is_dir() for one in folder.iterdir())
    if asked is None:
        return known
    below = replace(asked, folder=f"{asked.folder}/final/{folder.name}")
    return agreed_store(below, known=known, has_begun=has_begun, whose=f"the retraining of {whose}")


def claim_retrain_store(store: CheckpointStore, folder: Path, whose: Mapping[str, Any]) -> None:
    """Marks the store before anything is trained, and notes it in the plan's folder.

    Raises:
        HicoError: it does not take what is written.
    """
    mark(store, whose)
    write_whole(folder / RETRAINING, json.dumps(note_of(store)).encode())


def _known(folder: Path) -> CheckpointStore | None:
    try:
        return store_from(json.loads((folder / RETRAINING).read_bytes()))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """The function of a worker: trains a run with its checkpoints in the store."""

    data: TrialData
    store: CheckpointStore

    def __call__(self, task: RetrainTask, report: ReportFunction) -> TrialOutcome:
        """Trains and scores an entry; the store is waited for before the first epoch, since it took its mark."""
        from hico_platform.worker.staging import run_staged

        function = functools.partial(run_retrain_task, data=self.data)
        if not task.entry.is_trained:
            return function(task, report)
        return run_staged(task, report, function=function, store=self.store, patient=True)


def bring_runs(store: CheckpointStore, *, patience_s: float) -> None:
    """Uploads what workers of this machine left; what stays is brought by the next retraining here."""
    from hico_platform.worker.staging import bring_what_waits

    if waiting := bring_what_waits(store, patience_s=patience_s):
        _log.warning("the checkpoints of %s wait for %s", ", ".join(waiting), store.address())


def checkpoint_at_hand(checkpoint: str, folder: Path) -> Path:
    """The folder of a run's checkpoint, fetched into the run's own ``folder`` where it is in a store.

    Raises:
        TornCheckpointError: the store has another, or has not got it yet.
        StoreAwayError: it does not answer.
    """
    if not is_in_a_store(checkpoint):
        return Path(checkpoint)
    here = folder / Path(checkpoint.partition("?")[0]).name
    return here if here.is_dir() else fetch_address(checkpoint, folder)

"""Checkpoints: the whole training state, written atomically and read as data only.

A checkpoint is a folder ``epoch-000012`` with ``state.safetensors`` (tensors) and ``state.json``: the facts, a
digest of the tensors, and a digest over both. It is written to a temporary folder, synced, and renamed, so a kill at
any moment leaves a complete checkpoint. A second one of the same epoch is named ``epoch-000012-1``, and is written
before the first is removed. Of a trial that has ended, a search may keep the encoder alone
(:mod:`~hico_platform.checkpoint_files`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hico_platform.atomic_io import make_unique_folder, sync, write_synced
from hico_platform.checkpoint_files import (
    ENCODER,
    FACTS,
    TENSORS,
    WHOLE,
    TornCheckpointError,
    facts_file,
    folders,
    order,
    read_checkpoint,
)
from hico_platform.errors import CheckpointError, Problem

SCHEMA_VERSION = WHOLE
_WRITING, _REFUSED = ".writing-", ".refused-"
_ABANDONED_S = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training state after ``epoch`` epochs: tensors by name, and plain facts.

    ``encoder_alone``: of the tensors only the encoder's weights were kept, from which no training goes on.
    """

    path: Path
    epoch: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    encoder_alone: bool = False


def save_checkpoint(
    directory: Path, *, epoch: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], keep: int = 2
) -> Path:
    """Writes a checkpoint into ``directory`` and removes all but the newest ``keep`` epochs; returns its folder.

    Raises:
        OSError: it cannot be written; earlier checkpoints are unchanged.
    """
    from safetensors.torch import save

    _make_folder(directory)
    blob = save({name: _unshared(tensor) for name, tensor in tensors.items()})
    content = {
        "schema_version": SCHEMA_VERSION,
        "epoch": epoch,
        "tensors_sha256": hashlib.sha256(blob).hexdigest(),
        "facts": facts,
    }
    content = json.loads(json.dumps(content))  # as it is read back: keys are strings, tuples are lists
    temporary = make_unique_folder(directory, prefix=_WRITING)
    try:
        write_synced(temporary / TENSORS[WHOLE], blob)
        write_synced(temporary / FACTS, facts_file(content))
        sync(temporary)
        final = _rename_to_free(temporary, directory, epoch)
        sync(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _remove_replaced(directory, final, keep=keep)
    return final


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads one checkpoint folder.

    Raises:
        TornCheckpointError: a part is missing, cut off or altered.
        CheckpointError: it cannot be read, or is of another schema version.
    """
    from safetensors.torch import load

    content, blob = read_checkpoint(path)
    return Checkpoint(
        path=path,
        epoch=content["epoch"],
        tensors=load(blob),
        facts=content["facts"],
        encoder_alone=content["schema_version"] == ENCODER,
    )


def newest_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest complete checkpoint of a run; a torn one is reported in a warning and the previous one is used.

    A torn one is renamed to ``.refused-...``, so that it does not count among the checkpoints that are kept.

    Raises:
        CheckpointError: the newest cannot be read, has another schema version, or only its encoder was kept. Starting
            again, or from an older one, would lose its training.
    """
    for folder in reversed(folders(directory)):
        try:
            found = load_checkpoint(folder)
            if found.encoder_alone:
                rule, remedy = (
                    "a whole training state to go on from",
                    "use another folder: the encoder alone was kept here",
                )
                raise CheckpointError(Problem(file=folder, rule=rule, value="an encoder", remedy=remedy))
            return found
        except TornCheckpointError as error:
            _log.warning("not used: %s", error)
            with contextlib.suppress(OSError):
                folder.rename(directory / f"{_REFUSED}{folder.name}-{time.time_ns()}")
    return None


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder looks like one checkpoint, whole or not."""
    return (folder / FACTS).is_file()


def newest_folder(directory: Path) -> Path | None:
    """The folder of a run's newest checkpoint, for reading alone: it may be torn, and nothing is renamed."""
    found = folders(directory)
    return found[-1] if found else None


def newest_facts(directory: Path) -> Mapping[str, Any] | None:
    """The facts of the newest readable checkpoint of a run, without tensors and digest checks; None without one."""
    for folder in reversed(folders(directory)):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            facts: Mapping[str, Any] = json.loads((folder / FACTS).read_bytes())["facts"]
            return facts
    return None


def precision_of(directory: Path) -> str | None:
    """The precision that the run in a directory trains in; None where it has no checkpoint.

    Checkpoints of the first versions do not name it: they always used float32.
    """
    facts = newest_facts(directory)
    return None if facts is None else facts.get("config", {}).get("model", {}).get("precision", "float32")


def _rename_to_free(temporary: Path, directory: Path, epoch: int) -> Path:
    """Renames a folder to the next free name of its epoch; tries again when another writer took the name first."""
    while True:
        taken = [again for at, again in map(order, folders(directory)) if at == epoch]
        final = directory / (f"epoch-{epoch:06d}-{max(taken) + 1}" if taken else f"epoch-{epoch:06d}")
        try:
            return temporary.rename(final)
        except OSError:
            if not final.exists():
                raise


def _remove_replaced(directory: Path, final: Path, *, keep: int) -> None:
    """Removes checkpoints that ``final`` replaces, epochs before the newest ``keep``, and files of killed writers."""
    found = folders(directory)
    epoch = order(final)[0]
    kept = {epoch, *sorted({order(folder)[0] for folder in found})[-keep:]}
    for folder in found:
        if order(folder)[0] not in kept or (order(folder)[0] == epoch and folder != final):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in directory.glob(f"{_WRITING}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _unshared(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, contiguous, and in memory that no other tensor shares."""
    tensor = tensor.detach().cpu().contiguous()
    shares = tensor.untyped_storage().nbytes() != tensor.nbytes
    return tensor.clone() if shares else tensor


def _make_folder(directory: Path) -> None:
    missing = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)

"""Checkpoints: the whole training state, written at once or not at all, read as data only.

A checkpoint is a folder ``epoch-000012`` with ``state.safetensors`` (tensors) and ``state.json`` (facts and
the digest of the tensors). It is written beside, synced, and renamed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hico_platform.errors import CheckpointError, Problem

SCHEMA_VERSION = 1
_TENSORS, _FACTS = "state.safetensors", "state.json"
_NAME = re.compile(r"epoch-(\d{6})")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training state after ``epoch`` epochs: tensors by name, and plain facts."""

    path: Path
    epoch: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save_checkpoint(
    directory: Path, *, epoch: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], keep: int = 2
) -> Path:
    """Writes a checkpoint into ``directory`` and removes all but the newest ``keep``; returns its folder."""
    from safetensors.torch import save

    directory.mkdir(parents=True, exist_ok=True)
    final = directory / f"epoch-{epoch:06d}"
    blob = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    content = {
        "schema_version": SCHEMA_VERSION,
        "epoch": epoch,
        "sha256": hashlib.sha256(blob).hexdigest(),
        "facts": facts,
    }
    beside = Path(tempfile.mkdtemp(prefix=".writing-", dir=directory))
    try:
        _write_synced(beside / _TENSORS, blob)
        _write_synced(beside / _FACTS, json.dumps(content, indent=1).encode())
        _sync_folder(beside)
        if final.exists():
            shutil.rmtree(final)
        beside.rename(final)
        _sync_folder(directory)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    for old in _folders(directory)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads one checkpoint folder.

    Raises:
        CheckpointError: it is missing, torn, altered, or of another schema version.
    """
    from safetensors.torch import load

    def refuse(rule: str, value: object, remedy: str) -> CheckpointError:
        return CheckpointError(Problem(file=path, rule=rule, value=value, remedy=remedy))

    try:
        content = json.loads((path / _FACTS).read_bytes())
        blob = (path / _TENSORS).read_bytes()
        version, digest = content["schema_version"], content["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refuse("a whole checkpoint", str(error), "use an older one, or train again") from error
    if version != SCHEMA_VERSION:
        raise refuse(f"checkpoint schema version {SCHEMA_VERSION}", version, "use the version that wrote it")
    if hashlib.sha256(blob).hexdigest() != digest:
        raise refuse("content that matches its digest", "another digest", "use an older one; it was altered")
    return Checkpoint(path=path, epoch=content["epoch"], tensors=load(blob), facts=content["facts"])


def newest_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest whole checkpoint of a run; a torn one is named in a warning and the one before it used."""
    for folder in reversed(_folders(directory)):
        try:
            return load_checkpoint(folder)
        except CheckpointError as error:
            _log.warning("not used: %s", error)
    return None


def _folders(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(folder for folder in directory.iterdir() if _NAME.fullmatch(folder.name))


def _write_synced(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

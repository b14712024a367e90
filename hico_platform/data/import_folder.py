"""The folder of an unfinished import beside its target: locked, and kept for the same import alone."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hico_platform.data.normalise import Normalisation
from hico_platform.data.readers import ReadOptions, ReadPlan, Source
from hico_platform.errors import Problem, UsageError
from hico_platform.own_file import open_own_file

IMPORT_VERSION = 4
"""Increased when reading or normalising changes, so that older chunks are not used."""

STORE = "store"
"""The store that is being written, in that folder."""


def fingerprint_of(
    source: Source, plan: ReadPlan, format_name: str, options: ReadOptions, method: Normalisation
) -> str:
    """A digest of what an import reads and how; only chunks of the same fingerprint are reused."""
    how = f"{IMPORT_VERSION} {plan.items_a_chunk} {format_name} {source!r} {options!r} {method}"
    digest = hashlib.sha256(how.encode())
    seen: set[Path] = set()
    for item in plan.items:
        digest.update(repr((str(item.file), item.line, item.value)).encode())
        for file in item.reads or (item.file,):
            if file not in seen:
                seen.add(file)
                digest.update(_state(file).encode())
    return digest.hexdigest()


def _state(file: Path) -> str:
    try:
        state = file.stat()
    except (OSError, ValueError):  # missing, or an invalid name: its reader reports it
        return "absent"
    return f"{state.st_size} {state.st_mtime_ns}"


@contextmanager
def work_folder(directory: Path, fingerprint: str) -> Iterator[Path]:
    """The folder of chunks beside the target, locked by this import; emptied if it is of another import."""
    work = directory.absolute().parent / f".{directory.name}.importing"
    work.mkdir(parents=True, exist_ok=True)
    guard = work.parent / f"{work.name}.lock"
    with os.fdopen(open_own_file(guard), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                Problem(file=directory, rule="a store that no other import is writing",
                        remedy="wait for it, or name another folder")
            ) from None  # fmt: skip
        try:
            plan = work / "plan.json"
            if not plan.is_file() or plan.read_text(encoding="utf-8") != json.dumps(fingerprint):
                shutil.rmtree(work)
                work.mkdir()
                plan.write_text(json.dumps(fingerprint), encoding="utf-8")
            for left in (*work.glob(f".{STORE}.partial-*"), *work.glob(STORE)):
                shutil.rmtree(left)
            yield work
        finally:
            guard.unlink(missing_ok=True)

"""The marker file ``.hico-home``: what a folder was before it became a home, and who may read it.

A user's own project may have folders called ``data``, ``runs`` and ``cache`` too. So modes change only for files that
commands certainly created: in a home that they created, or whose databases hold their records, and in folders with such
common names only under the file names that commands use. Files from before the folder became a home are not touched.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from hico_platform.atomic_io import write_whole

MARKER = ".hico-home"
LARGEST = 65536
_DATABASE = re.compile(r"(study|mlflow)\.db(?:-wal|-shm|-journal|\..+\.lock)?")
_CONTENT = re.compile(rf"{re.escape(MARKER)}|{_DATABASE.pattern}|mlartifacts|searches|runs|data|cache|metrics")
_GENERATED = {
    "data": re.compile(r"(embedded|transfer|tiny)-\d+"),
    "runs": re.compile(r".+-[0-9a-f]{8}"),
    "metrics": re.compile(r".+\.search\.json"),
    "cache": re.compile(r"(\.partial-)?[0-9a-f]{16,64}(\.lock)?"),
}
"""Names that commands create in folders whose own names are common."""
_RECORDS = {
    "study": "SELECT 1 FROM study_user_attributes WHERE key = 'search' LIMIT 1",
    "mlflow": "SELECT 1 FROM tags WHERE key LIKE 'hico.%' LIMIT 1",
}
_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class HomeRecord:
    """The content of a marker file.

    Attributes:
        shared: its group may read it.
        whole: the folder is only a home, so the mode of the folder itself is set too.
        left: names in it from before it became a home.
    """

    shared: bool
    whole: bool
    left: frozenset[str] = frozenset()

    def is_kept(self, name: str) -> bool:
        """Whether an entry directly in the home was created by commands, with everything in it."""
        if name in _GENERATED or not _CONTENT.fullmatch(name):
            return False
        database = _DATABASE.fullmatch(name)
        return (f"{database[1]}.db" if database else name) not in self.left


def is_content(name: str) -> bool:
    """Whether commands use this name directly in a home."""
    return _CONTENT.fullmatch(name) is not None


def generated_in(home: Path, folder: str) -> tuple[list[str], bool]:
    """The entries that commands created in a folder with a common name, and whether it holds nothing else."""
    pattern = _GENERATED.get(folder)
    if pattern is None or (home / folder).is_symlink() or not (home / folder).is_dir():
        return [], False
    names = os.listdir(home / folder)
    generated = [
        name for name in names if pattern.fullmatch(name) and (folder != "runs" or _is_run(home / folder / name))
    ]
    return generated, len(generated) == len(names)


def _is_run(folder: Path) -> bool:
    """Whether the folder has checkpoints; a user's folder whose name ends in a date would match by name."""
    return next(folder.glob("epoch-*/state.json"), None) is not None


def read_record(home: Path) -> HomeRecord | None:
    """The content of the marker, if the home's owner, this user or root wrote one."""
    try:
        opened = os.open(home / MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(opened, "rb") as stream:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in {0, os.geteuid(), home.stat().st_uid}:
            return None
        try:
            content = json.loads(stream.read(LARGEST))
            left = frozenset(str(name) for name in content["left"])
            return HomeRecord(shared=content["shared"] is True, whole=content["whole"] is True, left=left)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


def write_record(home: Path, record: HomeRecord) -> None:
    """Writes the marker."""
    content = {"shared": record.shared, "whole": record.whole, "left": sorted(record.left)}
    write_whole(home / MARKER, json.dumps(content).encode())


def find_record(home: Path, *, shared: bool) -> HomeRecord:
    """The record of a folder without a marker, derived from its content; ``shared`` counts if it is a home."""
    names = os.listdir(home)
    ours = {name for name in _RECORDS if _has_records(home / f"{name}.db", _RECORDS[name])}
    if not ours:
        return HomeRecord(shared=False, whole=False, left=frozenset(filter(is_content, names)))
    left = {f"{name}.db" for name in _RECORDS if name not in ours} & set(names)
    if "mlflow" not in ours:
        left |= {"mlartifacts"} & set(names)
    return HomeRecord(shared=shared, whole=not left and _is_whole(home, names), left=frozenset(left))


def _is_whole(home: Path, names: Iterable[str]) -> bool:
    return all(is_content(name) and (name not in _GENERATED or generated_in(home, name)[1]) for name in names)


def _has_records(file: Path, query: str) -> bool:
    with suppress(OSError, sqlite3.Error):
        if stat.S_ISREG(file.lstat().st_mode) and file.stat().st_size:
            uri = f"{file.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT_S)) as connection:
                return connection.execute(query).fetchone() is not None
    return False

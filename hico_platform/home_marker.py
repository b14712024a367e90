"""What a folder was before it became a home, and who may read it: a file in it, ``.hico-home``.

``data``, ``runs`` and ``cache`` are names that a project has as well. So the mode of a file changes only where it is
certain that commands made it: in a home that they made, or whose databases hold their records, and below such a
folder only under the names that commands give. What was there before a folder became a home is left as it is.
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
_CONTENT = re.compile(rf"{re.escape(MARKER)}|{_DATABASE.pattern}|mlartifacts|searches|runs|data|cache")
_GENERATED = {
    "data": re.compile(r"(embedded|transfer|tiny)-\d+"),
    "runs": re.compile(r".+-[0-9a-f]{8}"),
    "cache": re.compile(r"(\.partial-)?[0-9a-f]{16,64}(\.lock)?"),
}
"""What commands make in folders whose names others use too."""
_RECORDS = {
    "study": "SELECT 1 FROM study_user_attributes WHERE key = 'search' LIMIT 1",
    "mlflow": "SELECT 1 FROM tags WHERE key LIKE 'hico.%' LIMIT 1",
}
_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class HomeRecord:
    """What the marker of a home keeps.

    Attributes:
        shared: its group may read it.
        whole: nothing but a home, so that the mode of its folder is the home's too.
        left: names in it that were there before it became a home.
    """

    shared: bool
    whole: bool
    left: frozenset[str] = frozenset()

    def is_kept(self, name: str) -> bool:
        """Whether something directly in the home is all a command's."""
        if name in _GENERATED or not _CONTENT.fullmatch(name):
            return False
        database = _DATABASE.fullmatch(name)
        return (f"{database[1]}.db" if database else name) not in self.left


def is_content(name: str) -> bool:
    """Whether commands use this name directly in a home."""
    return _CONTENT.fullmatch(name) is not None


def generated_in(home: Path, folder: str) -> tuple[list[str], bool]:
    """What commands made in one of the folders with common names, and whether it holds nothing else."""
    pattern = _GENERATED.get(folder)
    if pattern is None or (home / folder).is_symlink() or not (home / folder).is_dir():
        return [], False
    names = os.listdir(home / folder)
    made = [name for name in names if pattern.fullmatch(name) and (folder != "runs" or _is_run(home / folder / name))]
    return made, len(made) == len(names)


def _is_run(folder: Path) -> bool:
    """Whether checkpoints lie in it: a name that ends in a date looks the same."""
    return next(folder.glob("epoch-*/state.json"), None) is not None


def read_record(home: Path) -> HomeRecord | None:
    """What the marker says, if there is one that the home's owner, this user or root wrote."""
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
    """The record of a folder without a marker, by what it holds; ``shared`` where it proves to be a home."""
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

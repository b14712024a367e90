"""Updates a home that was moved or copied, because MLflow records absolute locations of artifacts.

The artifacts of an experiment are in ``mlartifacts/NAME`` beside the home's store. If the store records another folder
of that name, the home was moved, and the recorded locations are updated before MLflow reads them.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

_log = logging.getLogger(__name__)

SQLITE = "sqlite:///"
ARTIFACTS = "mlartifacts"
_BUSY_TIMEOUT_S = 60
# Every column of MLflow's schema with artifact locations, and a condition where the column has other values too.
_LOCATIONS = (
    ("experiments", "artifact_location", ""),
    ("runs", "artifact_uri", ""),
    ("logged_models", "artifact_location", ""),
    ("model_versions", "source", ""),
    ("model_versions", "storage_location", ""),
    ("trace_tags", "value", " AND key = 'mlflow.artifactLocation'"),
)


def follow_moved_home(file: Path, *, home: Path | None = None) -> tuple[str, ...]:
    """Updates the artifact locations in a home's store to the folder beside it.

    A location changes only if it is inside a folder that the store records as ``ROOT/mlartifacts/NAME`` of its
    experiment ``NAME``, and that folder is gone, or its artifacts are in the new folder as well. A store that cannot be
    written does not change.

    Args:
        file: the store.
        home: the folder with the artifacts, if they are not beside the file.

    Returns:
        the folders that the store recorded before.
    """
    artifacts = (home or file.parent).absolute() / ARTIFACTS
    if not file.is_file():
        return ()
    with closing(sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as store:
        if not _moved_roots(store, artifacts):
            return ()
        try:
            store.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise
            _log.warning("%s can only be read: its artifacts are looked for where they were before it moved", file)
            return ()
        with store:
            roots = _moved_roots(store, artifacts)  # another process may have updated it meanwhile
            columns = tuple(_columns(store))
            for root in roots:
                for table, column, condition in columns:
                    store.execute(
                        f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "
                        f"WHERE substr({column}, 1, length(:old) + 1) = :old || '/'{condition}",
                        {"old": root, "new": artifacts.as_uri()},
                    )
    return roots


def _moved_roots(store: sqlite3.Connection, artifacts: Path) -> tuple[str, ...]:
    """The addresses of artifact folders that this store records but was moved away from."""
    if not any(table == "experiments" for table, _, _ in _columns(store)):
        return ()
    named: dict[str, list[str]] = {}
    for name, location in store.execute("SELECT name, artifact_location FROM experiments"):
        folder = _folder(location)
        if folder is not None and folder.name == name and folder.parent.name == ARTIFACTS:
            named.setdefault(folder.parent.as_uri(), []).append(name)
    return tuple(
        root
        for root, names in named.items()
        if root != artifacts.as_uri() and _is_left(Path(unquote(urlsplit(root).path)), artifacts, names)
    )


def _is_left(root: Path, artifacts: Path, names: list[str]) -> bool:
    """Whether the store was moved away from an artifact folder: it is gone, or its artifacts are here as well."""
    try:
        if not root.exists():
            return True
        is_here = any((artifacts / name).is_dir() for name in names)
        return is_here and not root.samefile(artifacts)
    except OSError:  # another account's folder, which cannot be read
        return True


def _folder(location: str | None) -> Path | None:
    address = urlsplit(location or "")
    if address.scheme != "file" or address.netloc:
        return None
    return Path(unquote(address.path))


def _columns(store: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """The columns that this version of the schema has."""
    for table, column, condition in _LOCATIONS:
        if column in {row[1] for row in store.execute(f"PRAGMA table_info({table})")}:
            yield table, column, condition


def rename_artifacts(file: Path, old: Path, new: Path) -> None:
    """Moves the artifacts of an experiment to another folder of the home, and updates what its store records of them.

    Done again after an interruption, it does what is left to do.

    Args:
        file: the store, a SQLite file.
        old: the folder of its artifacts.
        new: the folder that they move to.
    """
    if old.is_dir() and not new.exists():
        old.rename(new)
    if old.exists() or not file.is_file():  # another search has begun there meanwhile
        return
    with closing(sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")
        with store:
            for table, column, condition in tuple(_columns(store)):
                store.execute(
                    f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "
                    f"WHERE ({column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'){condition}",
                    {"old": old.absolute().as_uri(), "new": new.absolute().as_uri()},
                )

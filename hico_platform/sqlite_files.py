"""SQLite databases in files: their URLs, checks that they can be opened, and settings for safe concurrent writes.

URLs are built and parsed by SQLAlchemy, which Optuna and MLflow use too; a path may hold any character.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from hico_platform.errors import Problem, UsageError
from hico_platform.file_systems import is_disk_full, network_file_system

BUSY_TIMEOUT_S = 60.0
"""How long a writing process waits for another process's write."""
SWITCH_TIMEOUT_S = 2.0
LOOK_TIMEOUT_S = 10.0
"""How long a reading process waits: a writer locks the whole file only briefly."""

_log = logging.getLogger(__name__)
_MAGIC = b"SQLite format 3\x00"
_PLAIN, _QUOTED = "sqlite", "sqlite+pysqlite"
_WRITE_VERSION, _WAL = 18, 2
_PLAIN_PATH = re.compile(r"[\w./+~ -]+", re.ASCII)
"""Paths that stand in an address as they are; others are for SQLAlchemy, whose import takes a third of a second."""
_mentioned: set[str] = set()
_kept_open: dict[tuple[int, int], list[int]] = {}  # by device and inode


def sqlite_url(file: Path) -> str:
    """The SQLAlchemy URL of a database file.

    Raises:
        UsageError: the installed SQLAlchemy cannot express the path as a URL.
    """
    plain = f"{_PLAIN}:///{file}"
    if _PLAIN_PATH.fullmatch(str(file)):
        return plain
    # MLflow creates no folder for the other spelling, see without_new_folder().
    url = _render(_QUOTED, str(file))
    return plain if url == f"{_QUOTED}:///{file}" else _checked(url, file)


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for a server, for a database in memory, and for any other text."""
    if not url.startswith(_PLAIN):
        return None
    scheme, _, path = url.partition(":///")
    if scheme in {_PLAIN, _QUOTED} and _PLAIN_PATH.fullmatch(path):
        return Path(path)
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    database = parsed.database
    if parsed.drivername not in {_PLAIN, _QUOTED} or parsed.host or not database or database == ":memory:":
        return None
    if parsed.query.get("uri") in {"true", "1"}:
        database = unquote(database.removeprefix("file:").partition("?")[0])
    return Path(database)


def without_new_folder(url: str) -> str:
    """The URL for MLflow, spelled so that MLflow creates no wrong folder.

    MLflow creates the parent folder of what follows ``sqlite:///``, undecoded: for ``file:/home/me/a.db?uri=true`` that
    is a folder ``file:`` in the current one.
    """
    rest, file = url.removeprefix(f"{_PLAIN}:///"), sqlite_file(url)
    if rest == url or file is None or rest.partition("?")[0] == str(file):
        return url
    return f"{_QUOTED}:///{rest}"


def is_memory(url: str) -> bool:
    """Whether a SQLite URL is of a database in memory, which ends with its process."""
    return url.partition(":")[0] in {_PLAIN, _QUOTED} and url.partition("://")[2] in {"", "/", "/:memory:"}


def url_for_looking(url: str) -> str:
    """The URL for a process that only reads.

    It differs from ``url`` if this user may not write the file or its folder, or the disk is full.

    While a writer has the database open, readers use the writer's shared-memory file. In write-ahead mode without a
    writer there is no such file and a reader cannot create one, so the database is opened as immutable.
    """
    file = sqlite_file(url)
    if file is None or "uri=" in url or not file.is_file():
        return url
    if _may_write(file) and not is_disk_full(file.absolute().parent):
        return url
    live = file.with_name(f"{file.name}-wal").exists()
    query = {"mode": "ro", "uri": "true"} if live or not _is_wal(file) else {"immutable": "1", "uri": "true"}
    return _render(_QUOTED, f"file:{quote(str(file.absolute()))}", query)


def is_read_only(url: str) -> bool:
    """Whether a URL is a read-only one of :func:`url_for_looking`."""
    return "uri=true" in url and ("mode=ro" in url or "immutable=1" in url)


def check_database(file: Path, *, rule: str, writing: bool) -> None:
    """Raises a clear error for a file that SQLite could not open; ``rule`` is for example ``a study database``.

    Raises:
        UsageError: it is not a SQLite database, or this user may not write it.
        OSError: it does not exist (unless ``writing``), or cannot be read.
    """
    if writing and not file.exists():
        return
    if file.is_dir():
        raise UsageError(Problem(file=file, rule=f"{rule}, a file", value="a folder", remedy="give another home"))
    begins = _header(file, len(_MAGIC))
    if not begins and not writing:
        raise UsageError(
            Problem(file=file, rule=rule, value="an empty file", remedy="start a search first, or give another home")
        )
    if begins not in (b"", _MAGIC):
        remedy = "give another home or database, or move this file away"
        raise UsageError(Problem(file=file, rule=rule, value="a file that is not a database", remedy=remedy))
    if writing and not _may_write(file):
        raise UsageError(
            Problem(
                file=file,
                rule=f"{rule} that this user may write, in a folder that this user may write",
                remedy="give a home of your own by --home or HICO_HOME; status, report and ui read others' homes",
            )
        )


@contextmanager
def alone_in(folder: Path | None) -> Iterator[None]:
    """Lets one process at a time open the databases of a folder.

    Optuna and MLflow fail when two processes create the same database at once.
    """
    if folder is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def prepare_database(file: Path, *, rule: str) -> None:
    """Sets the journal mode in which a database can be written while others read it; creates its folder if missing.

    On a local disk this is write-ahead mode, in which readers do not wait for writers. On a network file system it is
    the rollback journal, because write-ahead mode can silently damage a database there.

    Raises:
        UsageError: it is not a database, cannot be written, or is in write-ahead mode on a network file system while
            another process has it open.
        OSError: its folder cannot be created.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    check_database(file, rule=rule, writing=True)
    kind = network_file_system(file)
    if kind is None:
        with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)) as connection:
            # On a file system without shared memory SQLite keeps the previous mode.
            connection.execute("PRAGMA journal_mode=WAL")
        return
    if file.exists() and _is_wal(file):
        _leave_wal(file, kind=kind)
    if kind not in _mentioned:
        _mentioned.add(kind)
        _log.warning(
            "%s is on a network file system (%s): SQLite writes there through its rollback journal, for one driver "
            "at a time; for searches from several machines give a PostgreSQL database by --storage",
            file.parent,
            kind,
        )


def _leave_wal(file: Path, *, kind: str) -> None:
    try:
        with closing(sqlite3.connect(file, timeout=SWITCH_TIMEOUT_S)) as connection:
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        mode = "wal"
    if mode != "delete":
        raise UsageError(
            Problem(
                file=file,
                rule=f"a database without write-ahead log on a network file system ({kind})",
                value="one in write-ahead mode that another process has open",
                remedy="end what uses it (another driver, hico-platform ui), and run this again; it is switched then",
            )
        )


def _may_write(file: Path) -> bool:
    return os.access(file, os.W_OK) and os.access(file.absolute().parent, os.W_OK | os.X_OK)


def _is_wal(file: Path) -> bool:
    header = _header(file, _WRITE_VERSION + 1)
    return len(header) > _WRITE_VERSION and header[_WRITE_VERSION] == _WAL


def _header(file: Path, count: int) -> bytes:
    """The first bytes of a database. What is opened for that stays open as long as this process.

    When a process closes a file, its POSIX locks on it end, those of other connections too. SQLite in another process
    would then take its own connection for the last one, and remove the write-ahead log that this process still uses
    (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    found = file.stat()
    known = (found.st_dev, found.st_ino)
    if known not in _kept_open:
        opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        now = os.fstat(opened)
        # Another thread, or another file under this name since: what was opened first stays open too.
        known = (now.st_dev, now.st_ino)
        _kept_open.setdefault(known, []).append(opened)
    return os.pread(_kept_open[known][0], count, 0)


def _render(driver: str, database: str, query: dict[str, str] | None = None) -> str:
    from sqlalchemy.engine import URL

    return URL.create(driver, database=database, query=query or {}).render_as_string(hide_password=False)


def _checked(url: str, file: Path) -> str:
    if sqlite_file(url) != file:
        raise UsageError(
            Problem(
                file=file,
                rule="a path that this SQLAlchemy can write as a URL",
                remedy="give a home without ? and %, or a newer SQLAlchemy (2.1)",
            )
        )
    return url

"""Turns whatever ended a command into problems that name what, which rule, which value and what to do.

Errors of the operating system and of libraries come from below without a name of ours. Here each kind gets one;
what is left is a fault of this package, and is called that. Libraries are recognised by the modules of their
errors' classes, so nothing is imported to explain one.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hico_platform.errors import DataError, HicoError, Problem, UsageError, first_line
from hico_platform.search.room import is_full

FAILED, USAGE, DATA = HicoError.exit_code, UsageError.exit_code, DataError.exit_code
LONGEST_VALUE = 300


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a command was about when it ended: its home, its databases, and the paths of data that it was given."""

    home: Path | None = None
    study: Path | str | None = None
    tracking: Path | str | None = None
    data: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Problems to show, and the exit code that goes with them."""

    problems: tuple[Problem, ...]
    exit_code: int


def explain(error: BaseException, scene: Scene) -> Explanation:
    """The problems that an error stands for; those of a HicoError are its own."""
    if isinstance(error, HicoError):
        return Explanation(problems=error.problems, exit_code=error.exit_code)
    chain = tuple(_chain(error))
    for kind in (_full_disk, _memory, _database, _tracking, _system, _encoding, _missing_package):
        for link in chain:
            found = kind(link, chain, scene)
            if found is not None:
                return found
    for link in chain:
        if isinstance(link, HicoError):  # ours, wrapped by a library
            return Explanation(problems=link.problems, exit_code=link.exit_code)
    return _unknown(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, then what caused it, outermost first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _one(problem: Problem, exit_code: int) -> Explanation:
    return Explanation(problems=(problem,), exit_code=exit_code)


def _short(error: BaseException) -> str:
    text = first_line(error) if isinstance(error, Exception) else type(error).__name__
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."


def _library(error: BaseException) -> frozenset[str]:
    """The top-level packages that define an error's classes."""
    return frozenset(kind.__module__.partition(".")[0] for kind in type(error).__mro__)


def _full_disk(link: BaseException, chain: tuple[BaseException, ...], scene: Scene) -> Explanation | None:
    if link is not chain[0] or not is_full(link):
        return None
    file = next((one.filename for one in chain if isinstance(one, OSError) and one.filename), None)
    if file is None and any("sqlite3" in _library(one) for one in chain):
        file = _file_of(chain, scene)
    problem = Problem(
        file=_path(file),
        rule="room to write: the disk is full",
        value=_short(link),
        remedy="free some space, then run the command again (a search with --resume); no report is lost",
    )
    return _one(problem, FAILED)


def _memory(link: BaseException, chain: tuple[BaseException, ...], scene: Scene) -> Explanation | None:
    no_memory = isinstance(link, OSError) and link.errno == errno.ENOMEM
    if not (isinstance(link, MemoryError) or type(link).__name__ == "OutOfMemoryError" or no_memory):
        return None
    remedy = "end what else runs here, or lower budget.batch_size, model.hidden_width, --workers or --cpus"
    return _one(Problem(rule="memory enough for the command", value=_short(link), remedy=remedy), FAILED)


# Words of SQLite's messages: rule, remedy, exit code.
_SQLITE: tuple[tuple[str, str, str, int], ...] = (
    ("not a database", "an SQLite database", "give another home or database, or move this file away", USAGE),
    (
        "malformed",
        "a whole database: this one is damaged",
        "restore a copy, or save what can be read: sqlite3 FILE .recover | sqlite3 NEW",
        FAILED,
    ),
    ("locked", "a database that no other process holds for so long", "wait for the process that writes, or end it", 1),
    ("busy", "a database that no other process holds for so long", "wait for the process that writes, or end it", 1),
    (
        "readonly",
        "a database that this user may write, in a folder that this user may write",
        "give a home of your own by --home or HICO_HOME; status, report and ui read others' homes",
        USAGE,
    ),
    (
        "unable to open",
        "a database that can be opened, in a folder that this user may use",
        "check the folder and its rights, or give another home",
        USAGE,
    ),
    (
        "no such",
        "a database of this package's tables",
        "give another home or database; one of a newer version is read by that version",
        USAGE,
    ),
    ("disk i/o error", "a disk that reads and writes", "check the disk and its mount, then run the command again", 1),
)


def _database(link: BaseException, chain: tuple[BaseException, ...], scene: Scene) -> Explanation | None:
    libraries = _library(link)
    if "sqlite3" in libraries:
        text = str(link).lower()
        for words, rule, remedy, code in _SQLITE:
            if words in text:
                return _one(Problem(file=_file_of(chain, scene), rule=rule, value=_short(link), remedy=remedy), code)
        problem = Problem(
            file=_file_of(chain, scene),
            rule="a database that SQLite can use",
            value=_short(link),
            remedy="check the file and its disk; --traceback shows where it was used",
        )
        return _one(problem, FAILED)
    if libraries & {"psycopg", "psycopg2", "asyncpg", "pg8000", "pymysql", "MySQLdb", "mysql"}:
        problem = Problem(
            file=_file_of(chain, scene),
            rule="a database server that answers",
            value=_short(link),
            remedy="check that the server runs, the network, and the user's rights; then run the command again "
            "(a search with --resume)",
        )
        return _one(problem, FAILED)
    if "sqlalchemy" in libraries and not any("sqlite3" in _library(one) for one in chain):
        problem = Problem(
            file=_file_of(chain, scene),
            rule="a database that can be used",
            value=_short(link),
            remedy="check its address; --traceback shows where it was used",
        )
        return _one(problem, FAILED)
    return None


def _tracking(link: BaseException, chain: tuple[BaseException, ...], scene: Scene) -> Explanation | None:
    ours = type(link).__name__ in {"TrackingError", "TrackingRefused"}
    if not ours and not _library(link) & {"mlflow", "requests", "urllib3", "botocore", "boto3"}:
        return None
    text = _short(link)
    if "database schema" in text:
        rule, remedy = "a tracking database of this MLflow's schema", "back it up, then: mlflow db upgrade URI"
        return _one(Problem(file=_path(scene.tracking), rule=rule, value=text, remedy=remedy), USAGE)
    nonsense = re.search(r"<!doctype|<html|JSONDecodeError|Expecting value|error code 404", str(link), re.IGNORECASE)
    problem = Problem(
        file=_path(scene.tracking),
        rule="a tracking store that answers as MLflow does" if nonsense else "a tracking store that can be reached",
        value=text,
        remedy="check --tracking (MLFLOW_TRACKING_URI): something else answers there"
        if nonsense
        else "check --tracking (MLFLOW_TRACKING_URI), that its server runs, and what it allows this user",
    )
    return _one(problem, FAILED)


# What an error of the operating system is about: rule, remedy, exit code.
_SYSTEM: dict[int, tuple[str, str, int]] = {
    errno.EACCES: ("a path that this user may use", "check its owner and rights, or give another", USAGE),
    errno.EPERM: ("a path that this user may change", "check its owner and rights, or give another", USAGE),
    errno.EROFS: ("a path that can be written", "its file system is read-only; give another", USAGE),
    errno.ENOENT: ("an existing file or folder", "check how it is written, or make it", USAGE),
    errno.ENOTDIR: ("a path whose parents are folders", "one of them is a file; give another", USAGE),
    errno.EISDIR: ("a file, not a folder", "give a file in it, or another path", USAGE),
    errno.EEXIST: ("a folder, or a new path", "a file is there; move it away or give another", USAGE),
    errno.ENAMETOOLONG: ("a path that the file system takes", "give a shorter one", USAGE),
    errno.ELOOP: ("a path without a loop of links", "mend the links, or give another", USAGE),
    errno.EADDRINUSE: ("an address and port that are free", "another process listens there; give another", USAGE),
    errno.EADDRNOTAVAIL: ("an address of this machine", "give one of its own, such as 127.0.0.1", USAGE),
    errno.EMFILE: ("fewer open files than this user may have", "raise the limit: ulimit -n 65536", FAILED),
    errno.ENFILE: ("fewer open files than this machine allows", "end what else holds files open", FAILED),
    errno.EIO: ("a disk that reads and writes", "check the disk and its mount, then run the command again", FAILED),
    errno.ESTALE: ("a network file system that answers", "mount it again, then run the command again", FAILED),
    errno.ECONNREFUSED: ("a server that answers", "check the address, and that the server runs", FAILED),
    errno.ENOEXEC: ("a program that this machine can run", "install it for this processor", FAILED),
}  # fmt: skip


_RIGHTS = {errno.EACCES, errno.EPERM, errno.EROFS}


def _system(link: BaseException, chain: tuple[BaseException, ...], scene: Scene) -> Explanation | None:
    if not isinstance(link, OSError):
        return None
    file = next((one.filename for one in chain if isinstance(one, OSError) and one.filename is not None), None)
    rule, remedy, code = _SYSTEM.get(
        link.errno or 0,
        ("what the operating system does", "check what the message names, then run the command again", FAILED),
    )
    path = _path(file)
    in_home = isinstance(path, Path) and scene.home is not None and _is_in(path, scene.home)
    if isinstance(path, Path) and link.errno in _RIGHTS and not _exists(path):
        path, rule = _nearest(path), "a folder that this user may write"
    if code == USAGE and isinstance(path, Path) and any(_is_in(path, folder) for folder in scene.data):
        code = DATA
    if in_home:
        remedy = f"{remedy}; the home is given by --home or HICO_HOME"
    value = link.strerror or _short(link)
    return _one(Problem(file=_shortened(path), rule=rule, value=value, remedy=remedy), code)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that may not be entered
        return True


def _nearest(path: Path) -> Path:
    """The folder in which a path was to be made; what is made beside a file first has a name that nobody gave."""
    return next(parent for parent in path.absolute().parents if _exists(parent))


def _encoding(link: BaseException, chain: tuple[BaseException, ...], scene: Scene) -> Explanation | None:
    if not isinstance(link, UnicodeError):
        return None
    remedy = "write the file or name in UTF-8; run again with --traceback to see which"
    return _one(Problem(rule="text in UTF-8", value=_short(link), remedy=remedy), DATA)


def _missing_package(link: BaseException, chain: tuple[BaseException, ...], scene: Scene) -> Explanation | None:
    if not isinstance(link, ImportError):
        return None
    name = link.name or "a package"
    if name.partition(".")[0] == "hico_platform":
        return None
    remedy = "install it in this environment (pip install 'hico-platform'), or mend its installation"
    return _one(Problem(rule=f"the package {name}, installed whole", value=_short(link), remedy=remedy), FAILED)


def _unknown(error: BaseException) -> Explanation:
    problem = Problem(
        rule=f"an error that hico-platform does not know ({type(error).__name__}: {_short(error)})",
        remedy="run again with --traceback and report it",
    )
    return _one(problem, FAILED)


def _file_of(chain: tuple[BaseException, ...], scene: Scene) -> Path | str | None:
    """The database that an error came from: the tracking store's where MLflow was at work, else the studies'."""
    for link in chain:
        trace = link.__traceback__
        while trace is not None:
            module = str(trace.tb_frame.f_globals.get("__name__", ""))
            if module.startswith(("mlflow", "hico_platform.tracking")):
                return scene.tracking
            trace = trace.tb_next
    return scene.study


def _path(file: object) -> Path | str | None:
    if file is None or isinstance(file, Path):
        return file
    if isinstance(file, bytes):
        return Path(os.fsdecode(file))
    if isinstance(file, int):  # a descriptor
        return None
    text = str(file)
    return text if "://" in text else Path(text)


def _shortened(path: Path | str | None) -> Path | str | None:
    """A path that fits a line; a name too long is shown by its beginning."""
    text = str(path)
    return path if path is None or len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."


def _is_in(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder.absolute())

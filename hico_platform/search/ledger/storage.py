"""Opens the database of all studies: a SQLite file, or a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import optuna

from hico_platform.database_rights import REMEDY, lacks_rights
from hico_platform.errors import Problem, UsageError, first_line
from hico_platform.masking import masked
from hico_platform.search.ledger.slim_trials import StudyStorage
from hico_platform.search.ledger.step import allow_steps
from hico_platform.sqlite_files import (
    BUSY_TIMEOUT_S,
    LOOK_TIMEOUT_S,
    alone_in,
    check_database,
    is_memory,
    prepare_database,
    sqlite_file,
    url_for_looking,
)

Storage = optuna.storages.BaseStorage

MEMORY = "memory:"
RULE = "a study database"
# SQLite's and PostgreSQL's words.
_MISSING_TABLE = re.compile(r"no such table: \w+|relation \"\w+\" does not exist")


def open_storage(url: str, *, create: bool = True) -> Storage:
    """Opens the database of all studies of a home; ``memory:`` is one that ends with the process.

    With ``create`` false it is only read: nothing is created or changed, and a database that this user may read but
    not write is opened too.

    Raises:
        UsageError: there is none and ``create`` is false, it is something else, or it cannot be reached.
        OSError: its folder cannot be made or used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url == MEMORY:
        return optuna.storages.InMemoryStorage()
    file = sqlite_file(url)
    if is_memory(url):
        raise UsageError(
            Problem(
                field="storage",
                rule="a database that outlives the process",
                value=url,
                remedy="give a file, sqlite:////folder/study.db, or leave it out",
            )
        )
    if file is None:
        return _connect(url, create=create, timeout_s=None)
    if create:
        file.parent.mkdir(parents=True, exist_ok=True)
        with alone_in(file.parent):
            prepare_database(file, rule=RULE)
            return _connect(url, create=True, timeout_s=BUSY_TIMEOUT_S)
    if not file.exists():
        _refuse_missing(file)
    check_database(file, rule=RULE, writing=False)
    return _connect(url_for_looking(url), create=False, timeout_s=LOOK_TIMEOUT_S)


def _refuse_missing(file: Path) -> NoReturn:
    try:
        file.stat()
    except FileNotFoundError as error:
        remedy = "start a search first, or name its home"
        raise UsageError(Problem(file=file, rule="an existing study database", remedy=remedy)) from error
    raise AssertionError(f"{file} was created meanwhile")


def _connect(url: str, *, create: bool, timeout_s: float | None) -> Storage:
    options: dict[str, Any] = {"pool_pre_ping": True}
    if timeout_s is not None:
        options["connect_args"] = {"timeout": timeout_s}
    try:
        storage = _opened(url, options, create=create)
    except Exception as error:
        problem = _problem(error, url)
        if problem is None:
            raise
        raise UsageError(problem) from error
    allow_steps(storage)
    return storage


def _opened(url: str, options: dict[str, Any], *, create: bool) -> StudyStorage:
    """Optuna's storage; opened again where another process has just written what this one was about to.

    Optuna writes into a new database which version its tables have, also where it is to create none: ``status`` of a
    search that begins at this moment, and the search, might both.
    """
    try:
        return StudyStorage(url, engine_kwargs=options, skip_table_creation=not create)
    except Exception as error:
        if type(error).__name__ != "IntegrityError":  # SQLAlchemy's
            raise
        return StudyStorage(url, engine_kwargs=options, skip_table_creation=not create)


def _problem(error: Exception, url: str) -> Problem | None:
    """The problem with a database in the user's words; none for errors that can happen to any file."""
    file = sqlite_file(url)
    text = first_line(error)
    if isinstance(error, RuntimeError) and "table schema" in text:  # Optuna's words
        newer = "updating optuna" in text
        return Problem(
            file=file or masked(url),
            rule=f"a study database of Optuna {optuna.__version__}'s schema",
            value="one of a newer Optuna" if newer else "one of an older Optuna",
            remedy="install a newer Optuna (pip install -U optuna)"
            if newer
            else "back it up, then run: optuna storage upgrade --storage URL",
        )
    if any(_MISSING_TABLE.search(str(link)) for link in (error, error.__cause__, error.__context__)):
        return Problem(
            file=file or masked(url),
            rule=RULE,
            value="a database in which no search has begun",
            remedy="start a search first, or give another --home or --storage",
        )
    if file is not None:
        return None
    if type(error).__name__ == "ArgumentError":  # SQLAlchemy's
        return Problem(
            field="storage",
            rule="a database URL, such as postgresql+psycopg://USER@HOST/DATABASE",
            value=url,
            remedy="write reserved characters of a password as %XX",
        )
    if lacks_rights(error):
        rule = "a study database that this account may use"
        return Problem(field="storage", rule=rule, value=_reason(error), remedy=REMEDY)
    return Problem(
        field="storage",
        rule="a reachable study database",
        value=_reason(error),
        remedy=_remedy(error),
    )


def _reason(error: BaseException) -> str:
    """The error of the database's driver, which SQLAlchemy and Optuna have wrapped."""
    seen = {id(error)}  # errors may name each other as causes
    below = error.__cause__ or error.__context__
    while below is not None and id(below) not in seen:
        seen.add(id(below))
        error, below = below, below.__cause__ or below.__context__
    return f"{type(error).__name__}: {first_line(error) if isinstance(error, Exception) else ''}"


def _remedy(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "install its driver, such as pip install 'hico-platform[postgres]' for postgresql+psycopg://"
    if type(error).__name__ == "NoSuchModuleError":
        return "check the address: SQLAlchemy knows no such database; use postgresql+psycopg://USER@HOST/DATABASE"
    return "check the address, the password, and that the server runs"

"""Errors of databases and of the tracking store. Libraries are recognised by name; none is imported here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from hico_platform.cli.explanation import (
    FAILED,
    USAGE,
    Chain,
    Explanation,
    Scene,
    libraries_of,
    modules_of,
    one_problem,
    path_of,
    short,
)
from hico_platform.database_rights import REMEDY, lacks_rights
from hico_platform.errors import Problem
from hico_platform.file_systems import is_disk_full


class _Known(NamedTuple):
    """Part of a SQLite message, and its explanation for a user."""

    words: str
    rule: str
    remedy: str
    exit_code: int


_SQLITE = (
    _Known(
        words="not a database",
        rule="an SQLite database",
        remedy="give another home or database, or move this file away",
        exit_code=USAGE,
    ),
    _Known(
        words="malformed",
        rule="a whole database",
        remedy="restore a copy of this damaged one, or save what can be read: sqlite3 FILE .recover | sqlite3 NEW",
        exit_code=FAILED,
    ),
    _Known(
        words="locked",
        rule="a database that no other process holds for so long",
        remedy="wait for the process that writes, or end it",
        exit_code=FAILED,
    ),
    _Known(
        words="busy",
        rule="a database that no other process holds for so long",
        remedy="wait for the process that writes, or end it",
        exit_code=FAILED,
    ),
    _Known(
        words="readonly",
        rule="a database that this user may write, in a folder that this user may write",
        remedy="give a home of your own by --home or HICO_HOME; status, report and ui read others' homes",
        exit_code=USAGE,
    ),
    _Known(
        words="unable to open",
        rule="a database that can be opened, in a folder that this user may use",
        remedy="check the folder and its rights, or give another home",
        exit_code=USAGE,
    ),
    _Known(
        words="no such",
        rule="a database of this package's tables",
        remedy="give another home or database; one of a newer version is read by that version",
        exit_code=USAGE,
    ),
    _Known(
        words="disk i/o error",
        rule="a disk that reads and writes",
        remedy="check the disk and its mount, then run the command again",
        exit_code=FAILED,
    ),
)
_OTHER = _Known(
    words="",
    rule="a database that SQLite can use",
    remedy="check the file and its disk; --traceback shows where it was used",
    exit_code=FAILED,
)


def database(link: BaseException, chain: Chain, scene: Scene) -> Explanation | None:
    """An error of SQLite, of a database server's driver, or of SQLAlchemy."""
    libraries = libraries_of(link)
    if "sqlite3" in libraries:
        return _sqlite(link, database_of(chain, scene))
    is_sqlite = any("sqlite3" in libraries_of(one) for one in chain)
    if lacks_rights(link) and not is_sqlite:
        rule, value, remedy = "a database in which this account may do what the command does", chain[-1], REMEDY
        code = USAGE
    elif libraries & {"psycopg", "psycopg2", "asyncpg", "pg8000", "pymysql", "MySQLdb", "mysql"}:
        rule, value, code = "a database server that answers", link, FAILED
        remedy = (
            "check that the server runs, the network, and the user's rights; then run the command again "
            "(a search with --resume)"
        )
    elif "sqlalchemy" in libraries and not is_sqlite:
        rule, value, code = "a database that can be used", link, FAILED
        remedy = "check its address; --traceback shows where it was used"
    else:
        return None
    return one_problem(Problem(file=database_of(chain, scene), rule=rule, value=short(value), remedy=remedy), code)


def _sqlite(error: BaseException, file: Path | str | None) -> Explanation:
    """An error of SQLite, recognised by its message."""
    text, value = str(error).lower(), short(error)
    if "disk i/o error" in text and isinstance(file, Path) and is_disk_full(file.parent):
        return one_problem(disk_full(file, value), FAILED)
    known = next((known for known in _SQLITE if known.words in text), _OTHER)
    return one_problem(Problem(file=file, rule=known.rule, value=value, remedy=known.remedy), known.exit_code)


def disk_full(file: Path | str | None, value: str) -> Problem:
    """The problem of a full disk."""
    return Problem(
        file=file,
        rule="free space on the disk",
        value=value,
        remedy="free some space, then run the command again (a search with --resume): no report is lost",
    )


def tracking_store(link: BaseException, chain: Chain, scene: Scene) -> Explanation | None:
    """An error of MLflow, or of a request that MLflow sends."""
    ours = type(link).__name__ in {"TrackingError", "TrackingRefused"}
    if not ours and not libraries_of(link) & {"mlflow", "requests", "urllib3", "botocore", "boto3"}:
        return None
    text = short(link)
    if "database schema" in text:
        rule, remedy = "a tracking database of this MLflow's schema", "back it up, then run: mlflow db upgrade URI"
        return one_problem(Problem(file=path_of(scene.tracking), rule=rule, value=text, remedy=remedy), USAGE)
    if type(link).__name__ == "TrackingRefused":
        problem = Problem(
            file=path_of(scene.tracking),
            rule="a tracking store that takes what is asked of it",
            value=text,
            remedy=getattr(link, "remedy", None),
        )
        return one_problem(problem, USAGE)
    nonsense = re.search(r"<!doctype|<html|JSONDecodeError|Expecting value|error code 404", str(link), re.IGNORECASE)
    problem = Problem(
        file=path_of(scene.tracking),
        rule="a tracking store that answers as MLflow does" if nonsense else "a tracking store that can be reached",
        value=text,
        remedy="check --tracking (MLFLOW_TRACKING_URI): something else answers there"
        if nonsense
        else "check --tracking (MLFLOW_TRACKING_URI), that its server runs, and what it allows this user",
    )
    return one_problem(problem, FAILED)


def database_of(chain: Chain, scene: Scene) -> Path | str | None:
    """The database that an error is about: the tracking store if MLflow raised it, else the study database."""
    modules = [module for link in chain for module in modules_of(link)]
    if any(module.startswith(("mlflow", "hico_platform.tracking")) for module in modules):
        return scene.tracking
    return scene.study

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from hico_platform.cli import explain_database
from hico_platform.cli.explain import Scene, explain
from hico_platform.tracking.base import TrackingError, TrackingRefused
from tests.unit.test_database_rights import like, wrapped

SCENE = Scene(home=Path("/etc"), study=Path("/etc/study.db"), tracking="http://t")
IN_A_FILE = Scene(study=Path("/etc/study.db"), tracking=Path("/etc/mlflow.db"))


def explained(error: Exception, code: int, scene: Scene = SCENE) -> str:
    found = explain(error, scene)
    assert found.exit_code == code, found
    (problem,) = found.problems
    return str(problem)


@pytest.mark.parametrize(
    ("message", "code", "shown"),
    [
        ("file is not a database", 2, "expected an SQLite database, got 'file is not a database'; give another home"),
        ("database disk image is malformed", 1, "expected a whole database"),
        ("database is locked", 1, "that no other process holds for so long"),
        ("database table is busy", 1, "that no other process holds for so long"),
        ("attempt to write a readonly database", 2, "that this user may write, in a folder that this user may write"),
        ("unable to open database file", 2, "that can be opened"),
        ("no such table: studies", 2, "a database of this package's tables"),
        ("disk I/O error", 1, "a disk that reads and writes"),
        ("database or disk is full", 1, "expected free space on the disk"),
        ("something new", 1, "expected a database that SQLite can use, got 'something new'"),
    ],
)
def test_sqlite_is_explained_by_its_message(message: str, code: int, shown: str) -> None:
    text = explained(sqlite3.OperationalError(message), code)
    assert text.startswith("/etc/study.db: ")
    assert shown in text


def test_an_input_or_output_error_on_a_full_disk_is_the_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_database, "is_disk_full", lambda folder: folder == Path("/etc"))
    assert "free space on the disk" in explained(sqlite3.OperationalError("disk I/O error"), 1)


def test_the_database_is_the_one_that_the_raising_module_uses() -> None:
    code = compile("raise error", "store.py", "exec")
    for module, file in (
        ("mlflow.store.db", "/etc/mlflow.db"),
        ("hico_platform.tracking.base", "/etc/mlflow.db"),
        ("optuna.storages", "/etc/study.db"),
    ):
        error = sqlite3.OperationalError("database is locked")
        with pytest.raises(sqlite3.OperationalError):
            exec(code, {"__name__": module, "error": error})
        assert explained(error, 1, IN_A_FILE).startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (like("psycopg", "the connection is lost"), 1, "a database server that answers, got 'the connection is lost'"),
        (like("pymysql.err", "", 2003, "Can't connect"), 1, "a database server that answers"),
        (like("sqlalchemy.exc", "no dialect"), 1, "expected a database that can be used, got 'no dialect'"),
        (
            wrapped(like("psycopg.errors", "permission denied for table tags", sqlstate="42501")),
            2,
            "in which this account may do what the command does",
        ),
    ],
)
def test_servers_by_the_library_of_the_error(error: Exception, code: int, shown: str) -> None:
    assert shown in explained(error, code)


def test_what_sqlalchemy_wraps_of_sqlite_is_sqlites() -> None:
    outer = like("sqlalchemy.exc", "statement failed")
    outer.__cause__ = sqlite3.OperationalError("database is locked")
    assert "no other process holds" in explained(outer, 1)


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (TrackingError("the store is away"), 1, "a tracking store that can be reached, got 'the store is away'"),
        (TrackingError("<!DOCTYPE html>"), 1, "that answers as MLflow does, .*something else answers there"),
        (like("mlflow.exceptions", "API request failed with error code 404"), 1, "that answers as MLflow does"),
        (like("requests.exceptions", "Expecting value: line 1"), 1, "that answers as MLflow does"),
        (like("urllib3.exceptions", "timed out"), 1, "a tracking store that can be reached"),
        (TrackingRefused("not allowed", remedy="ask"), 2, "that takes what is asked of it, got 'not allowed'; ask"),
        (like("mlflow.exceptions", "out-of-date database schema"), 2, "of this MLflow's schema.*mlflow db upgrade"),
    ],
)
def test_the_tracking_store(error: Exception, code: int, shown: str) -> None:
    assert re.search(shown, explained(error, code))


def test_the_address_of_the_tracking_store_is_named() -> None:
    assert explained(TrackingError("away"), 1).startswith("http://t: ")
    assert explained(TrackingError("away"), 1, IN_A_FILE).startswith("/etc/mlflow.db: ")

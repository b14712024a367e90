from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from alembic.runtime.migration import HeadMaintainer

from hico_platform.errors import UsageError
from hico_platform.search.ledger.optuna_ledger import StudyLedger
from hico_platform.search.ledger.storage import open_storage
from hico_platform.sqlite_files import sqlite_url
from tests.toy import FACTS
from tests.unit.search.ledger.contract import SPACE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A study database."""
    file = tmp_path / "new" / "home" / "study.db"
    open_storage(sqlite_url(file))
    return file


def change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_new_database_and_its_folder_are_made_once(file: Path) -> None:
    assert "studies" in tables(file)
    optuna.create_study(storage=open_storage(sqlite_url(file)), study_name="kept")
    assert [study.study_name for study in open_storage(sqlite_url(file)).get_all_studies()] == ["kept"]


def test_a_database_in_memory_ends_with_the_process() -> None:
    assert isinstance(open_storage("memory:"), optuna.storages.InMemoryStorage)
    for url in ("sqlite://", "sqlite:///:memory:"):
        with pytest.raises(UsageError, match=rf"storage: expected a database that outlives the process, got '{url}'"):
            open_storage(url)


def test_no_database_is_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.db: expected an existing study database.*start a search first"):
        open_storage(sqlite_url(tmp_path / "none.db"), create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_program_is_neither_shown_nor_changed_by_looking(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    change(file, "CREATE TABLE theirs (x)")
    with pytest.raises(UsageError, match=r"study.db: expected a study database, got 'a database in which no search"):
        open_storage(sqlite_url(file), create=False)
    assert tables(file) == {"theirs"}


def test_a_database_that_this_user_may_only_read_is_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.access  # the tests may run as root, who may all
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))
    storage = open_storage(sqlite_url(file), create=False)
    assert storage.get_all_studies() == []
    with pytest.raises(optuna.exceptions.StorageInternalError):
        storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE])
    with pytest.raises(UsageError):
        open_storage(sqlite_url(file))


@pytest.mark.parametrize(
    ("version", "value", "remedy"),
    [
        (("schema_version", 11), "one of an older Optuna", "optuna storage upgrade"),
        (("schema_version", 99), "one of a newer Optuna", "install a newer Optuna"),
    ],
)
def test_another_version_of_optunas_tables_is_told_with_the_way_out(
    file: Path, version: tuple[str, int], value: str, remedy: str
) -> None:
    change(file, f"UPDATE version_info SET {version[0]} = {version[1]}")
    if version[1] < 12:
        change(file, "UPDATE alembic_version SET version_num = 'v2.6.0.a'")
    else:
        change(file, "UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(UsageError) as raised:
        open_storage(sqlite_url(file), create=False)
    assert f"got '{value}'" in str(raised.value)
    assert remedy in str(raised.value)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite+nothing://host/db", r"a reachable study database.*check the address: SQLAlchemy knows no such"),
        (
            "not an address",
            r"a database URL, such as postgresql\+psycopg://.*got 'not an address'; write .*a password as %XX",
        ),
        ("mysql+missing_driver_of_tests://host/db", r"a reachable study database"),
    ],
)
def test_an_address_that_leads_nowhere(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"storage: expected {said}"):
        open_storage(url)


@pytest.mark.parametrize("create", [True, False])
def test_a_server_s_tables_are_made_by_a_driver_alone(create: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def connect(url: str, **more: Any) -> SimpleNamespace:
        asked.append({"url": url, **more})
        return SimpleNamespace(engine=None)

    monkeypatch.setattr("hico_platform.search.ledger.storage.StudyStorage", connect)
    open_storage("postgresql+psycopg://me@host/db", create=create)
    assert asked == [
        {
            "url": "postgresql+psycopg://me@host/db",
            "engine_kwargs": {"pool_pre_ping": True},
            "skip_table_creation": not create,
        }
    ]


def test_a_server_without_tables_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(url: str, **more: object) -> None:
        raise RuntimeError('relation "version_info" does not exist')

    monkeypatch.setattr("hico_platform.search.ledger.storage.StudyStorage", connect)
    with pytest.raises(
        UsageError, match=r"^postgresql\+psycopg://.*@host/db: expected a study database, got"
    ) as raised:
        open_storage("postgresql+psycopg://me:s3cr3t@host/db", create=False)
    assert "s3cr3t" not in str(raised.value)


def test_a_driver_that_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"ModuleNotFoundError: .*psycopg.*pip install 'hico-platform\[postgres\]'"):
        open_storage("postgresql+psycopg://me:secret@127.0.0.1:1/db")


def test_an_error_that_any_file_can_have_is_none_of_an_address(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        open_storage(sqlite_url(tmp_path / "file" / "study.db"))


def test_drivers_that_make_one_database_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    def begin(number: int) -> str:
        storage = open_storage(sqlite_url(tmp_path / "study.db"))
        return StudyLedger.create(storage, name=f"s{number}", space=SPACE, facts=FACTS, limit=6, at_s=5.0).search.name

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(begin, range(6))) == [f"s{number}" for number in range(6)]


@pytest.mark.parametrize("create", [True, False])
def test_a_database_that_another_process_is_just_creating_is_opened(
    file: Path, monkeypatch: pytest.MonkeyPatch, create: bool
) -> None:
    change(file, "DELETE FROM alembic_version")
    insert, written = HeadMaintainer._insert_version, []

    def late(maintainer: HeadMaintainer, version: str) -> None:
        """The other process writes the version between this one's look and its own write."""
        change(file, f"INSERT INTO alembic_version VALUES ('{version}')")
        written.append(version)
        insert(maintainer, version)

    monkeypatch.setattr(HeadMaintainer, "_insert_version", late)
    assert open_storage(sqlite_url(file), create=create) is not None
    assert len(written) == 1

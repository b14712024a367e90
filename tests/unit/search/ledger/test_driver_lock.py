"""The lock of a search in PostgreSQL, by what is asked of the server; tests/e2e/test_postgres.py asks a real one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest

from hico_platform.errors import UsageError
from hico_platform.search.ledger.driver_lock import driver_lock
from hico_platform.search.ledger.storage import open_storage
from hico_platform.sqlite_files import sqlite_url


class Server:
    """Advisory locks by their keys, as PostgreSQL has them."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.isolation: list[str] = []
        self.dialect = SimpleNamespace(name="postgresql")

    def connect(self) -> Server:
        return self

    @contextmanager
    def execution_options(self, *, isolation_level: str) -> Any:
        self.isolation.append(isolation_level)
        yield self

    def exec_driver_sql(self, statement: str) -> SimpleNamespace:
        function, _, key = statement.removeprefix("SELECT ").rstrip(")").partition("(")
        if function == "pg_try_advisory_lock":
            answer = key not in self.held
            self.held.add(key)
        else:
            assert function == "pg_advisory_unlock"
            answer = key in self.held
            self.held.discard(key)
        return SimpleNamespace(scalar=lambda: answer)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def storage(server: Server, tmp_path: Path) -> optuna.storages.BaseStorage:
    """A database whose server keeps locks."""
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    cast(Any, storage).engine = server
    return storage


def test_a_second_driver_is_refused_while_the_first_runs(server: Server, storage: optuna.storages.BaseStorage) -> None:
    with driver_lock(storage, name="toy"):
        with (
            pytest.raises(
                UsageError, match=r"name: expected a search that is not running already, got 'toy'"
            ) as raised,
            driver_lock(storage, name="toy"),
        ):
            raise AssertionError("two drivers at once")
        assert "on another machine" in str(raised.value)
        assert len(server.held) == 1, "the refused driver leaves the lock of the first"
        with driver_lock(storage, name="other"):
            assert len(server.held) == 2
    assert server.held == set()
    assert set(server.isolation) == {"AUTOCOMMIT"}, "no transaction stays open for as long as a search runs"


def test_the_lock_ends_with_the_block_however_that_ends(server: Server, storage: optuna.storages.BaseStorage) -> None:
    with pytest.raises(RuntimeError, match="no"), driver_lock(storage, name="toy"):
        raise RuntimeError("no")
    with driver_lock(storage, name="toy"):
        pass


def test_the_key_of_a_name_is_what_every_version_has_used(server: Server, storage: optuna.storages.BaseStorage) -> None:
    """Drivers of different versions on different machines must meet at one key, which is a bigint."""
    with driver_lock(storage, name="toy"):
        assert server.held == {"-9095391263330038801"}


def test_databases_that_are_files_have_another_lock(tmp_path: Path) -> None:
    for storage in (open_storage("memory:"), open_storage(sqlite_url(tmp_path / "study.db"))):
        with driver_lock(storage, name="toy"), driver_lock(storage, name="toy"):
            pass

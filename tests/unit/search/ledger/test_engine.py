"""A quick look opens what is there, changes nothing, and says what is wrong as the long way does."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import text

from hico_platform.errors import UsageError
from hico_platform.search.ledger.engine import look_through, looking_at
from hico_platform.search.ledger.optuna_ledger import open_storage, search_names, sqlite_url


def test_a_study_database_is_read(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    open_storage(url)
    with looking_at(url) as look:
        assert look.value("SELECT count(*) FROM studies") == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected an existing study database"),
        (b"", r"expected a study database, got 'an empty file'; start a search first"),
        (b"x" * 100, r"expected a study database, got 'a file that is not a database'; give another home"),
    ],
)
def test_what_is_none(content: bytes | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=message), looking_at(sqlite_url(file)):
        raise AssertionError("there is nothing to look at")
    assert file.exists() == (content is not None)


def test_a_database_of_something_else(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE bills (total REAL)"))
    engine.dispose()
    before = file.read_bytes()
    with pytest.raises(UsageError, match="study database"), looking_at(sqlite_url(file)) as look:
        look.rows("SELECT * FROM studies")
    assert file.read_bytes() == before


def test_an_error_of_who_looks_is_theirs(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    open_storage(url)
    with pytest.raises(ZeroDivisionError), looking_at(url):
        raise ZeroDivisionError
    assert search_names(open_storage(url, create=False)) == ()


def test_a_connection_of_sqlalchemy_is_asked_alike(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.db")
    open_storage(url)
    engine = sqlalchemy.create_engine(url)
    query = "SELECT value FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3) WHERE value IN :ids AND value < :most"
    with engine.connect() as connection, looking_at(url) as look:
        for one in (look, look_through(connection)):
            assert one.dialect == "sqlite"
            assert [tuple(row) for row in one.rows(query, ids=[1, 3, 2], most=3)] == [(1,), (2,)]
            assert one.value(query, ids=[9], most=3) is None
    engine.dispose()

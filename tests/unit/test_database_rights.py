"""Missing rights are told from a server that is away, by real errors of SQLite and by those that drivers make."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hico_platform.database_rights import lacks_rights


def like(module: str, text: str, *values: object, **attributes: object) -> Exception:
    """An error of a driver that may not be installed."""
    error = type("OperationalError", (Exception,), {"__module__": module})(*(values or (text,)))
    for name, value in attributes.items():
        setattr(error, name, value)
    assert isinstance(error, Exception)
    return error


def wrapped(below: Exception) -> Exception:
    """What SQLAlchemy and whoever uses it make of it."""
    error = RuntimeError("cannot commit")
    error.__cause__ = type("DBAPIError", (Exception,), {"__module__": "sqlalchemy.exc"})("statement failed")
    error.__cause__.orig = below  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "denied"),
    [
        (like("psycopg.errors", "permission denied for table tags", sqlstate="42501"), True),
        (like("psycopg.errors", "cannot execute INSERT in a read-only transaction", sqlstate="25006"), True),
        (like("psycopg.errors", "password authentication failed", sqlstate="28P01"), True),
        (like("psycopg.errors", "terminating connection due to administrator command", sqlstate="57P01"), False),
        (like("psycopg2", "permission denied", pgcode="42501"), True),
        (like("psycopg", 'FATAL:  permission denied for database "closed"', sqlstate=None), True),
        (like("psycopg", 'FATAL:  role "me" is not permitted to log in'), True),
        (like("psycopg", "connection refused"), False),
        (like("psycopg", "could not translate host name"), False),
        (like("pymysql.err", "", 1142, "INSERT command denied to user 'me'@'host' for table 'tags'"), True),
        (like("pymysql.err", "", 1290, "The MySQL server is running with the --read-only option"), True),
        (like("pymysql.err", "", 2003, "Can't connect to MySQL server"), False),
        (like("pg8000.exceptions", "", {"C": "42501", "M": "permission denied for table tags"}), True),
        (PermissionError(13, "Permission denied"), False),  # not a database's
        (ValueError("permission denied"), False),
    ],
)
def test_rights_are_told_by_sqlstate_number_or_words_wherever_in_the_chain(error: Exception, denied: bool) -> None:
    assert lacks_rights(error) is denied
    assert lacks_rights(wrapped(error)) is denied


def test_a_sqlite_file_that_may_only_be_read(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as made, made:
        made.execute("CREATE TABLE t (x)")
    with closing(sqlite3.connect(f"file:{tmp_path}/a.db?mode=ro", uri=True)) as reader:
        with pytest.raises(sqlite3.OperationalError, match="readonly") as raised:
            reader.execute("INSERT INTO t VALUES (1)")
        assert lacks_rights(raised.value)
        with pytest.raises(sqlite3.OperationalError) as other:
            reader.execute("SELECT * FROM none")
    assert not lacks_rights(other.value)

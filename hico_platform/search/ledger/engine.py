"""A study database for one quick look, without Optuna, whose import and checks take longer than such a look.

A file of SQLite is read without SQLAlchemy too, whose import alone takes a third of a second.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from hico_platform.sqlite_files import (
    LOOK_TIMEOUT_S,
    check_database,
    is_read_only,
    sqlite_file,
    url_for_looking,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

RULE = "a study database"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
Row = tuple[Any, ...]


class Look:
    """Asks an open study database.

    Args:
        execute: gives the rows of a query, whose values are named ``:NAME`` in it.
        dialect: of its SQL: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, execute: Callable[[str, Mapping[str, Any]], Sequence[Row]], *, dialect: str) -> None:
        self._execute = execute
        self.dialect = dialect

    def rows(self, query: str, **values: object) -> Sequence[Row]:
        """The rows of a query; a list among its values stands for as many of them in brackets."""
        given: dict[str, object] = {}
        for name, value in values.items():
            if isinstance(value, list):
                names = {f"{name}_{place}": one for place, one in enumerate(value)}
                query = query.replace(f":{name}", f"({', '.join(f':{one}' for one in names)})")
                given |= names
            else:
                given[name] = value
        return self._execute(query, given)

    def value(self, query: str, **values: object) -> Any:
        """The first column of the first row; None where there is none."""
        found = self.rows(query, **values)
        return found[0][0] if found else None


@contextmanager
def looking_at(url: str) -> Iterator[Look]:
    """An existing study database, in which nothing is to be changed.

    Raises:
        UsageError: there is none, it is something else, or it cannot be reached.
    """
    try:
        file = sqlite_file(url)
        if file is not None:
            if not file.exists():
                raise FileNotFoundError(file)
            check_database(file, rule=RULE, writing=False)
            url = url_for_looking(url)
        if file is not None and not is_read_only(url) and "?" not in url:
            with closing(sqlite3.connect(file, timeout=LOOK_TIMEOUT_S)) as database:
                yield Look(lambda query, values: database.execute(query, values).fetchall(), dialect=SQLITE)
            return
        with _by_sqlalchemy(url, {} if file is None else {"timeout": LOOK_TIMEOUT_S}) as look:
            yield look
    except Exception:
        from hico_platform.search.ledger.storage import open_storage

        open_storage(url, create=False)  # which says in the user's words what is wrong, where it is the database
        raise


def look_through(connection: Connection) -> Look:
    """Asks by a connection of SQLAlchemy that is open already."""
    from sqlalchemy import text

    return Look(
        lambda query, values: connection.execute(text(query), dict(values)).tuples().all(),
        dialect=connection.dialect.name,
    )


@contextmanager
def _by_sqlalchemy(url: str, options: Mapping[str, Any]) -> Iterator[Look]:
    """Any database: one on a server, or a file that may only be read."""
    from sqlalchemy import create_engine

    engine = create_engine(url, connect_args=dict(options))
    try:
        with engine.connect() as connection:
            yield look_through(connection)
    finally:
        engine.dispose()

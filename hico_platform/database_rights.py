"""Whether a database refuses an operation for lack of rights: its server answers, and a retry would be refused too.

Drivers may not be installed, so they are recognised by attributes of their errors: an SQLSTATE, an error number, or
only the words of the message, where a connection is refused before the driver knows more.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

REMEDY = "check the user and the password, and that this account may use the database and its tables (GRANT)"
_DRIVERS = {"psycopg", "psycopg2", "asyncpg", "pg8000", "pymysql", "MySQLdb", "mysql", "mariadb"}
# Authorization, a privilege, a transaction that only reads (of a copy of the database, or by its settings).
_SQLSTATE = ("28", "42501", "25006")
# Access, privilege or login denied; a server that only reads.
_MYSQL = {1044, 1045, 1142, 1143, 1227, 1290, 1370, 1698, 1836}
_SQLITE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_WORDS = re.compile(
    r"authentication failed|access denied|command denied|permission denied|no password|no pg_hba|"
    r"role .* is not permitted",
    re.I,
)


def lacks_rights(error: BaseException) -> bool:
    """Whether this error, or one in its chain, says that a database denies something to this account."""
    return any(_denies(one) for one in _chain(error))


def _denies(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return ((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF) in _SQLITE
    if not {kind.__module__.partition(".")[0] for kind in type(error).__mro__} & _DRIVERS:
        return False
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is not None:
        return str(state).startswith(_SQLSTATE)
    number = error.args[0] if error.args else None
    return (isinstance(number, int) and number in _MYSQL) or _WORDS.search(str(error)) is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, the one that SQLAlchemy wrapped in it, and its causes."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__, getattr(one, "orig", None)]

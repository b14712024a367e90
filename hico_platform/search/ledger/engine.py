"""A study database for one quick look, without Optuna, whose import and checks take longer than such a look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine

from hico_platform.sqlite_files import LOOK_TIMEOUT_S, check_database, sqlite_file, url_for_looking

RULE = "a study database"


@contextmanager
def looking_at(url: str) -> Iterator[Connection]:
    """A connection to an existing study database, in which nothing is to be changed.

    Raises:
        UsageError: there is none, it is something else, or it cannot be reached.
    """
    try:
        file, options = sqlite_file(url), dict[str, Any]()
        if file is not None:
            if not file.exists():
                raise FileNotFoundError(file)
            check_database(file, rule=RULE, writing=False)
            options["connect_args"] = {"timeout": LOOK_TIMEOUT_S}
        engine = create_engine(url if file is None else url_for_looking(url), **options)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
    except Exception:
        from hico_platform.search.ledger.storage import open_storage

        open_storage(url, create=False)  # which says in the user's words what is wrong, where it is the database
        raise

"""One driver a search, for drivers that share a PostgreSQL database but no home."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import optuna

from hico_platform.errors import Problem, UsageError

Storage = optuna.storages.BaseStorage


@contextmanager
def driver_lock(storage: Storage, *, name: str) -> Iterator[None]:
    """Holds the lock of the search ``name`` in a PostgreSQL database while the block runs.

    The server releases the lock when the driver's connection ends. Other databases are files in a home, which has a
    lock of its own (:mod:`~hico_platform.search.lock`).

    Raises:
        UsageError: another driver holds it.
    """
    if not isinstance(storage, optuna.storages.RDBStorage) or storage.engine.dialect.name != "postgresql":
        yield
        return
    key = int.from_bytes(hashlib.sha256(f"hico {name}".encode()).digest()[:8], "big", signed=True)
    with storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar():
            raise UsageError(
                Problem(
                    field="name",
                    rule="a search that is not running already",
                    value=name,
                    remedy="wait for the driver on another machine that holds it, end it, or give another --name",
                )
            )
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")

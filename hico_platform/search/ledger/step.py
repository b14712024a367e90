"""One transaction for all that a step writes, though Optuna commits every attribute by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from sqlalchemy.orm import Session, scoped_session, sessionmaker

Storage = optuna.storages.BaseStorage


class StepSession(Session):
    """A session that commits at the end of a step; outside of one, whenever it is asked to."""

    in_step = False
    """Whether a step goes on."""

    _rolled_back = False

    def commit(self) -> None:
        """Sends what is new to the database, and outside of a step commits it."""
        if not self.in_step:
            super().commit()
            return
        self.flush()
        self.expire_all()  # as a commit does: Optuna writes some rows past its objects

    def rollback(self) -> None:
        """Takes back all of the step."""
        self._rolled_back = True
        super().rollback()

    def close(self) -> None:
        """Gives the connection back, unless a step goes on."""
        if not self.in_step:
            super().close()

    def begin_step(self) -> None:
        """From now on commits wait."""
        self.in_step, self._rolled_back = True, False

    def end_step(self) -> None:
        """Commits what was written since the step began.

        Raises:
            StorageInternalError: a part of it was refused, and so all of it was taken back.
        """
        self.in_step = False
        if self._rolled_back:
            raise optuna.exceptions.StorageInternalError("another process wrote the same record: nothing is written")
        self.commit()

    def drop_step(self) -> None:
        """Takes back what was written since the step began, and gives the connection back."""
        self.in_step = False
        self.rollback()
        self.close()


def allow_steps(storage: optuna.storages.RDBStorage) -> None:
    """Lets :func:`one_transaction` work on ``storage``, which is to be new."""
    storage.scoped_session = scoped_session(sessionmaker(bind=storage.engine, class_=StepSession))


@contextmanager
def one_transaction(storage: Storage) -> Iterator[None]:
    """Commits all that this thread writes to ``storage`` in the block at its end, or none of it; blocks do not nest.

    A database locks out other writers from the first write to the end: nothing in the block is to take long. Other
    storages, those in memory, write as they do without it.

    Raises:
        StorageInternalError: the database refused a part.
    """
    session = session_of(storage)
    if session is None:
        yield
        return
    session.begin_step()
    try:
        yield
        session.end_step()
    except BaseException:
        session.drop_step()
        raise
    session.close()


def session_of(storage: Storage) -> StepSession | None:
    """This thread's session; none for a storage without a database."""
    if not isinstance(storage, optuna.storages.RDBStorage):
        return None
    session: Any = storage.scoped_session()
    return session if isinstance(session, StepSession) else None

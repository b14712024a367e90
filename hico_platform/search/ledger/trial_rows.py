"""The rows of a running search's trials, each written by one statement, in the transaction of the step that goes on.

Optuna reads a trial again, as objects, before it writes one of its rows: eighty statements for a trial of five reports.
The rows are the same (``tests/unit/search/ledger/test_trial_rows.py`` compares the tables). In a database whose tables
are not those that are known here, and for whatever a statement does not find as it expects it (a trial that has ended,
a study that was deleted), Optuna writes, or says what is wrong.
"""

from __future__ import annotations

import functools
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, DateTime, Row, TextClause, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from hico_platform.search.ledger.engine import Look, look_through
from hico_platform.search.ledger.snapshot import has_known_schema
from hico_platform.search.ledger.step import session_of

Storage = optuna.storages.BaseStorage

_RETURNING = (3, 35)  # SQLite's version that has it
_RUNNING = "FROM trials WHERE trial_id = :trial AND state = 'RUNNING' "
_COUNT = text("SELECT COUNT(*) FROM trials WHERE study_id = :study")
_WAITING = text("SELECT 1 FROM trials WHERE study_id = :study AND state = 'WAITING' LIMIT 1")
# As Optuna does: two processes that add trials must not count the same number of earlier ones.
_LOCK = text("SELECT study_id FROM studies WHERE study_id = :study FOR UPDATE")
_TRIAL = text(
    "INSERT INTO trials (number, study_id, state, datetime_start) "
    "SELECT (SELECT COUNT(*) FROM trials WHERE study_id = :study), study_id, 'RUNNING', :at "
    "FROM studies WHERE study_id = :study RETURNING trial_id, number"
).bindparams(bindparam("at", type_=DateTime))
_PARAMETER = text(
    "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
    "VALUES (:trial, :name, :value, :distribution)"
)
_NEW_ATTRIBUTE: Mapping[str, TextClause] = {
    table: text(f"INSERT INTO {table} (trial_id, key, value_json) VALUES (:trial, :key, :value)")
    for table in ("trial_user_attributes", "trial_system_attributes")
}
_ATTRIBUTE = text(
    f"INSERT INTO trial_user_attributes (trial_id, key, value_json) SELECT trial_id, :key, :value {_RUNNING}"
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"
)
_REPORTED = text(
    "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
    f"SELECT trial_id, :step, :value, 'FINITE' {_RUNNING}"
    "ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value, "
    "intermediate_value_type = excluded.intermediate_value_type"
)
_VALUE = text(
    "INSERT INTO trial_values (trial_id, objective, value, value_type) "
    f"SELECT trial_id, :objective, :value, 'FINITE' {_RUNNING}"
    "ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type"
)
_END: Mapping[TrialState, TextClause] = {
    state: text(
        f"UPDATE trials SET state = '{state.name}', datetime_complete = :at "
        "WHERE trial_id = :trial AND state = 'RUNNING'"
    ).bindparams(bindparam("at", type_=DateTime))
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
}


class TrialRows:
    """Writes the trials of one study; what it writes is to be in a step.

    Args:
        storage: the database.
        study: the study's id there.
    """

    def __init__(self, storage: Storage, study: int) -> None:
        self._storage, self._study = storage, study

    def number_of_trials(self) -> int | None:
        """How many trials the study has; None where that is for Optuna to say."""
        count = self._first(_COUNT)
        return int(count[0]) if count is not None and count[0] else None

    def none_waits(self) -> bool:
        """Whether it is certain that no enqueued trial waits."""
        return self._is_known and self._first(_WAITING) is None

    @contextmanager
    def looking(self) -> Iterator[Look | None]:
        """The database for some queries; None where Optuna is to read it."""
        if not self._is_known or not isinstance(self._storage, optuna.storages.RDBStorage):
            yield None
            return
        with _optunas_errors(), self._storage.engine.connect() as connection:
            yield look_through(connection)

    def add(self, draft: FrozenTrial) -> FrozenTrial:
        """Writes a new trial that runs; returns it with the id and the number that it has in the database."""
        with _optunas_errors():
            added = self._added(draft)
        if added is None:
            return self._storage.get_trial(self._storage.create_new_trial(self._study, template_trial=draft))
        draft._trial_id, draft.number = added
        return draft

    def set_attribute(self, trial: int, key: str, value: Any) -> None:
        """Writes an attribute of a running trial."""
        if not self._wrote(_ATTRIBUTE, {"trial": trial, "key": key, "value": json.dumps(value)}):
            self._storage.set_trial_user_attr(trial, key, value)

    def set_reported(self, trial: int, step: int, value: float) -> None:
        """Writes the value that a running trial has reported at ``step``."""
        is_plain = math.isfinite(value)  # Optuna has names for the others
        if not (is_plain and self._wrote(_REPORTED, {"trial": trial, "step": step, "value": value})):
            self._storage.set_trial_intermediate_value(trial, step, value)

    def end(self, trial: int, state: TrialState, values: Sequence[float]) -> bool:
        """Ends a running trial with its values; False, and nothing written, where that is for Optuna to do."""
        if not all(math.isfinite(value) for value in values):
            return False
        rows = [{"trial": trial, "objective": index, "value": value} for index, value in enumerate(values)]
        if not all(self._wrote(_VALUE, row) for row in rows):
            return False
        return self._wrote(_END[state], {"trial": trial, "at": _utc(datetime.now())})

    def _added(self, draft: FrozenTrial) -> tuple[int, int] | None:
        connection = self._connection()
        if connection is None or draft.datetime_start is None:
            return None
        where = {"study": self._study}
        if connection.dialect.name == "postgresql":
            connection.execute(_LOCK, where)
        row = connection.execute(_TRIAL, {**where, "at": _utc(draft.datetime_start)}).first()
        if row is None:  # the study was deleted
            return None
        trial, number = row
        parameters = [
            {
                "trial": trial,
                "name": name,
                "value": draft.distributions[name].to_internal_repr(value),
                "distribution": distribution_to_json(draft.distributions[name]),
            }
            for name, value in draft.params.items()
        ]
        if parameters:
            connection.execute(_PARAMETER, parameters)
        attributes = {"trial_user_attributes": draft.user_attrs, "trial_system_attributes": draft.system_attrs}
        for table, known in attributes.items():
            rows = [{"trial": trial, "key": key, "value": json.dumps(value)} for key, value in known.items()]
            if rows:
                connection.execute(_NEW_ATTRIBUTE[table], rows)
        return int(trial), int(number)

    def _first(self, query: TextClause) -> Row[Any] | None:
        if not self._is_known or not isinstance(self._storage, optuna.storages.RDBStorage):
            return None
        with _optunas_errors(), self._storage.engine.connect() as connection:
            return connection.execute(query, {"study": self._study}).first()

    def _wrote(self, statement: TextClause, row: Mapping[str, Any]) -> bool:
        """Whether the statement wrote its row."""
        with _optunas_errors():
            connection = self._connection()
            return connection is not None and connection.execute(statement, row).rowcount == 1

    def _connection(self) -> Connection | None:
        """The connection of the step that goes on; None where Optuna is to write."""
        session = session_of(self._storage)
        return session.connection() if session is not None and session.in_step and self._is_known else None

    @functools.cached_property
    def _is_known(self) -> bool:
        """Whether the database has the tables, and its statements, that are known here."""
        if not isinstance(self._storage, optuna.storages.RDBStorage):
            return False
        engine = self._storage.engine
        if engine.name == "sqlite" and sqlite3.sqlite_version_info < _RETURNING:
            return False
        with engine.connect() as connection:
            return engine.name in ("sqlite", "postgresql") and has_known_schema(look_through(connection))


def _utc(local: datetime) -> datetime:
    """A local time as Optuna keeps it."""
    return local.astimezone(UTC).replace(tzinfo=None)


@contextmanager
def _optunas_errors() -> Iterator[None]:
    """Raises an error of the database as Optuna does."""
    try:
        yield
    except SQLAlchemyError as error:
        raise optuna.exceptions.StorageInternalError(str(error)) from error

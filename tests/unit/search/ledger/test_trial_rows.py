from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState as OptunaState
from sqlalchemy import event, text

from hico_platform.errors import HicoError
from hico_platform.search.ledger import trial_rows
from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.step import one_transaction
from hico_platform.search.ledger.trial_rows import TrialRows
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import ending, report

SEARCH = {
    "contrast": {"temperature": {"low": 0.05, "high": 0.5, "log": True}},
    "model": {"encoder": {"choice": ["gru", "lstm"]}},
    "contrast.level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4, "low": 0.1},
}
TABLES = ("trials", "trial_params", "trial_values", "trial_intermediate_values", "trial_user_attributes")
TIMES = ("datetime_start", "datetime_complete")


@pytest.fixture
def by_optuna(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on Optuna writes, as in a database that is not known."""
    return lambda: monkeypatch.setattr(trial_rows, "has_known_schema", lambda connection: False)


def search(url: str, *, name: str = "toy", sampler: str = "random") -> StudyLedger:
    """A few trials of every kind: complete, stopped, failed, from the line, and one that runs."""
    space = toy_space(epochs=5, search=SEARCH, sampler={"name": sampler, "seed": 7})
    ledger = StudyLedger.create(open_storage(url), name=name, space=space, facts=FACTS, limit=9, at_s=5.0)
    weights = {f"contrast.level_weights.{level}": 1.0 for level in ("clip", "part", "domain", "instance")}
    listed = {"contrast.temperature": 0.1, "model.encoder": "gru", **weights}
    ledger.enqueue(listed, space=space, origin=Origin.LISTED)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.COMPLETE, None):
        number = ledger.begin(space, at_s=float(len(TABLES))).number
        ledger.record_run(number, f"run {number}")
        for epoch in (1, 2):
            ledger.record_report(number, report(epoch, number + epoch / 10))
        if state is not None:
            ledger.record_ending(number, ending(state, epoch=2))
    return ledger


def rows(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of trials, in the order in which they came, without their times."""
    found = {}
    with sqlite3.connect(file) as connection:
        for table in TABLES:
            columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})") if name not in TIMES]
            found[table] = connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1").fetchall()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_the_tables_are_as_optuna_writes_them(sampler: str, tmp_path: Path, by_optuna: Callable[[], None]) -> None:
    search(sqlite_url(tmp_path / "rows.db"), sampler=sampler)
    by_optuna()
    search(sqlite_url(tmp_path / "optuna.db"), sampler=sampler)
    ours, optunas = rows(tmp_path / "rows.db"), rows(tmp_path / "optuna.db")
    assert all(ours.values()), "a row in every table"
    assert ours == optunas


def test_times_are_those_that_optuna_reads(tmp_path: Path) -> None:
    now = datetime.now()
    search(sqlite_url(tmp_path / "study.db"))
    trial = optuna.load_study(study_name="toy", storage=sqlite_url(tmp_path / "study.db")).trials[1]
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    assert now <= trial.datetime_start <= trial.datetime_complete <= now + timedelta(minutes=10)


def statements(ledger: StudyLedger) -> tuple[int, int, int]:
    """How many a trial's beginning takes, a report and its end."""
    storage, made = ledger.storage, []
    assert isinstance(storage, optuna.storages.RDBStorage)
    event.listen(storage.engine, "before_cursor_execute", lambda *given: made.append(given[2]))
    number = ledger.begin(toy_space(epochs=5, search=SEARCH, sampler={"name": "random"}), at_s=0.0).number
    begun = len(made)
    ledger.record_report(number, report(1, 0.5))
    reported = len(made)
    ledger.record_ending(number, ending(TrialState.COMPLETE, epoch=1))
    return begun, reported - begun, len(made) - reported


def test_few_statements(tmp_path: Path) -> None:
    assert statements(search(sqlite_url(tmp_path / "study.db"))) == (5, 2, 3)


def test_what_is_no_plain_number_is_written_by_optuna(tmp_path: Path) -> None:
    ledger = search(sqlite_url(tmp_path / "study.db"))
    ledger.record_report(4, report(3, float("inf")))
    ledger.record_report(4, report(4, float("nan")))
    ledger.record_ending(4, ending(TrialState.PRUNED, epoch=4))
    frozen = optuna.load_study(study_name="toy", storage=sqlite_url(tmp_path / "study.db")).trials[4]
    assert frozen.state is OptunaState.PRUNED
    assert str(frozen.intermediate_values) == "{1: 4.1, 2: 4.2, 3: inf, 4: nan}"


def test_what_a_statement_does_not_find_is_left_to_optuna(tmp_path: Path) -> None:
    ledger = search(sqlite_url(tmp_path / "study.db"))
    storage = ledger.storage
    trial_rows_of_study = TrialRows(storage, 1)

    def write_to_one_that_has_ended() -> None:
        with one_transaction(storage):
            trial_rows_of_study.set_attribute(1, "late", 1)

    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        write_to_one_that_has_ended()
    with one_transaction(storage):
        assert not trial_rows_of_study.end(1, OptunaState.FAIL, ())
    StudyLedger.delete(storage, name="toy")
    for step in (
        lambda: ledger.record_report(4, report(3, 0.1)),
        lambda: ledger.record_ending(4, ending(TrialState.FAILED)),
        lambda: ledger.begin(toy_space(), at_s=0.0),
    ):
        with pytest.raises(HicoError, match="deleted"):
            step()


def test_an_error_of_the_database_is_one_of_optunas(tmp_path: Path) -> None:
    ledger = search(sqlite_url(tmp_path / "study.db"))
    assert isinstance(ledger.storage, optuna.storages.RDBStorage)
    with ledger.storage.engine.begin() as connection:
        connection.execute(text("DROP TABLE trial_intermediate_values"))
    with pytest.raises(optuna.exceptions.StorageInternalError, match="trial_intermediate_values"):
        ledger.record_report(4, report(3, 0.1))


def test_outside_of_a_step_and_in_memory_optuna_writes(tmp_path: Path) -> None:
    storage = search(sqlite_url(tmp_path / "study.db")).storage
    assert not TrialRows(storage, 1).end(5, OptunaState.FAIL, ())
    memory = TrialRows(open_storage("memory:"), 0)
    assert (memory.number_of_trials(), memory.none_waits()) == (None, False)

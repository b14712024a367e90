from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from sqlalchemy import event

from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.step import one_transaction
from hico_platform.search.ledger.trial_rows import TrialRows
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import ending, report

SPACE = toy_space(
    epochs=5,
    search={
        "contrast": {"temperature": {"low": 0.05, "high": 0.5}},
        "model": {"encoder": {"choice": ["gru", "lstm"]}},
        "contrast.level_weights": {"simplex": ["clip", "part", "domain", "instance"], "sum": 4, "low": 0.1},
    },
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.db")


@pytest.fixture
def storage(url: str) -> optuna.storages.RDBStorage:
    storage = open_storage(url)
    assert isinstance(storage, optuna.storages.RDBStorage)
    return storage


@pytest.fixture
def ledger(storage: optuna.storages.RDBStorage) -> StudyLedger:
    return StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)


@pytest.fixture
def writes(storage: optuna.storages.RDBStorage) -> Callable[[], int]:
    """The transactions so far that changed anything."""
    count = 0

    def note(connection, cursor, statement: str, *_: object) -> None:
        if statement.split(None, 1)[0].upper() in ("INSERT", "UPDATE", "DELETE"):
            connection.info["writes"] = True

    def committed(connection) -> None:
        nonlocal count
        count += connection.info.pop("writes", False)

    event.listen(storage.engine, "before_cursor_execute", note)
    event.listen(storage.engine, "commit", committed)
    return lambda: count


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "nsga2"])
def test_a_step_is_one_transaction(sampler: str, ledger: StudyLedger, writes: Callable[[], int]) -> None:
    space = toy_space(epochs=5, search=SPACE.source["search"], sampler={"name": sampler, "startup_trials": 2})
    for _ in range(4):
        before = writes()
        number = ledger.begin(space, at_s=0.0).number
        ledger.record_run(number, "a run")
        for epoch in range(1, 6):
            ledger.record_report(number, report(epoch, epoch / 10))
        ledger.record_ending(number, ending(TrialState.COMPLETE, epoch=5))
        assert writes() - before == 1 + 5 + 1, "begin, five reports, end; the run goes along"
    assert [trial.run_id for trial in ledger.trials()] == ["a run"] * 4


def test_a_point_that_waited_takes_one_more(ledger: StudyLedger, writes: Callable[[], int]) -> None:
    space = toy_space()
    ledger.enqueue({"contrast.temperature": 0.1, "model.encoder": "gru"}, space=space, origin=Origin.LISTED)
    before = writes()
    assert ledger.begin(space, at_s=0.0).values["contrast.temperature"] == 0.1
    assert writes() - before == 2


def test_nothing_of_a_step_that_fails_is_kept(ledger: StudyLedger, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    number = ledger.begin(SPACE, at_s=0.0).number

    def fail(*_: object, **more: object) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(TrialRows, "set_reported", fail)
        with pytest.raises(OSError, match="killed here"):
            ledger.record_report(number, report(1, 0.1))
    with monkeypatch.context() as patch:
        patch.setattr(ledger._study, "tell", fail)
        with pytest.raises(OSError, match="killed here"):
            ledger.record_ending(number, ending(TrialState.FAILED))
    (trial,) = StudyLedger.open(open_storage(url), name="toy", settle=False).trials()
    assert (trial.reports, trial.ending) == ((), None)
    ledger.record_report(number, report(1, 0.1))
    ledger.record_ending(number, ending(TrialState.FAILED))
    (trial,) = StudyLedger.open(open_storage(url), name="toy", settle=False).trials()
    assert (trial.reports, trial.state) == ((report(1, 0.1),), TrialState.FAILED)


def test_a_step_of_which_the_database_refuses_a_part_is_an_error(
    storage: optuna.storages.RDBStorage, ledger: StudyLedger
) -> None:
    def refused() -> None:
        with one_transaction(storage):
            storage.set_study_user_attr(1, "note:one", 1)
            storage.scoped_session().rollback()  # what Optuna does where another process wrote the same record

    with pytest.raises(optuna.exceptions.StorageInternalError, match="nothing is written"):
        refused()
    assert ledger.note("one") is None
    ledger.set_note("one", 2)
    assert ledger.note("one") == 2


def test_threads_have_steps_of_their_own(ledger: StudyLedger, storage: optuna.storages.RDBStorage) -> None:
    written = threading.Event()

    def write() -> None:
        ledger.set_note("other", 1)
        written.set()

    with one_transaction(storage):  # has written nothing yet, so nobody waits for it
        thread = threading.Thread(target=write)
        thread.start()
        assert written.wait(10)
        thread.join()
    assert ledger.note("other") == 1


def test_storages_in_memory_take_no_part() -> None:
    storage = open_storage("memory:")
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)
    number = ledger.begin(SPACE, at_s=0.0).number
    ledger.record_report(number, dataclasses.replace(report(1, 0.1), measures=(0.1,)))
    ledger.record_ending(number, ending(TrialState.FAILED))
    assert ledger.trials()[0].state is TrialState.FAILED

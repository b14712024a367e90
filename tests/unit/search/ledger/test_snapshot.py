from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hico_platform.search.drivers import this_driver
from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.ledger.engine import looking_at
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.snapshot import Snapshot, SnapshotReader, has_known_schema
from hico_platform.search.notes import PAUSES
from hico_platform.search.requests import RequestKind, new_request
from hico_platform.search.tags import TagRecord
from tests.toy import FACTS
from tests.unit.search.ledger.contract import SPACE, WIDER, ending, report


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.db")


@pytest.fixture
def ledger(url: str) -> StudyLedger:
    return StudyLedger.create(open_storage(url), name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)


def read(url: str, reader: SnapshotReader) -> Snapshot:
    with looking_at(url) as connection:
        found = reader.read(connection)
    assert found is not None
    return found


def same(snapshot: Snapshot, ledger: StudyLedger) -> bool:
    assert snapshot.trials == ledger.trials()
    assert (snapshot.search, snapshot.waiting) == (ledger.search, ledger.waiting())
    assert (snapshot.drivers, snapshot.tags, snapshot.requests) == (
        ledger.drivers(),
        ledger.tags(),
        ledger.requests(),
    )
    return True


def test_it_is_what_the_ledger_says_at_every_step(ledger: StudyLedger, url: str) -> None:
    reader = SnapshotReader("toy")
    assert same(read(url, reader), ledger)
    for state in (TrialState.COMPLETE, TrialState.FAILED, TrialState.PRUNED):
        number = ledger.begin(SPACE, at_s=0.0).number
        ledger.record_run(number, f"run-{number}")
        ledger.record_report(number, report(9, 0.4))
        assert same(read(url, reader), ledger)
        ledger.record_report(number, report(1, 0.2))
        if state is not TrialState.FAILED:  # one goes on while others end
            ledger.record_ending(number, ending(state))
        assert same(read(url, reader), ledger)
    ledger.record_driver(this_driver(at_s=1.0))
    ledger.set_tag(TagRecord(name="paper", by="alice", at_s=7.5))
    ledger.record_request(new_request(RequestKind.PAUSE, trial=1))
    ledger.set_note("any", [1])
    ledger.set_note(PAUSES, {"0": [[5.0, 6.0]], "1": [[5.0, None]]})
    assert read(url, reader).trials[0].pauses == ((5.0, 6.0),)
    ledger.enqueue({"contrast.temperature": 0.3, "model.encoder": "gru"}, space=SPACE, origin=Origin.ADDED)
    snapshot = read(url, reader)
    assert same(snapshot, ledger)
    assert (snapshot.note("any"), snapshot.note("none"), snapshot.waiting) == ([1], None, (3,))
    ledger.record_ending(1, ending(TrialState.FAILED))
    ledger.begin(SPACE, at_s=0.0)
    ledger.record_run(0, "another")
    assert same(read(url, reader), ledger)
    assert same(read(url, SnapshotReader("toy")), ledger)


def test_trials_of_older_versions(ledger: StudyLedger, url: str) -> None:
    values = ledger.begin(SPACE, at_s=0.0).values
    old = {"values": values, "origin": "sampler", "began_at_s": 0.0}
    ledger.storage.set_trial_user_attr(1, "trial", old)
    optuna.load_study(study_name="toy", storage=open_storage(url)).set_user_attr("run:0", "old-run")
    ledger.reopen(source=WIDER.source, limit=9)
    snapshot = read(url, SnapshotReader("toy"))
    assert same(snapshot, ledger)
    assert snapshot.trials[0].run_id == "old-run"
    assert snapshot.trials[0].config is not None


def test_a_search_that_there_is_not_or_no_more(ledger: StudyLedger, url: str) -> None:
    optuna.create_study(storage=url, study_name="other")
    reader = SnapshotReader("toy")
    assert read(url, reader).trials == ()
    ledger.begin(SPACE, at_s=0.0)
    ledger.record_ending(0, ending(TrialState.FAILED))
    read(url, reader)
    StudyLedger.delete(ledger.storage, name="toy")
    with looking_at(url) as connection:
        assert reader.read(connection) is None
        assert SnapshotReader("none").read(connection) is SnapshotReader("other").read(connection) is None
    StudyLedger.create(open_storage(url), name="toy", space=SPACE, facts=FACTS, limit=3, at_s=5.0)
    assert (read(url, reader).trials, read(url, reader).search.limit) == ((), 3)


@pytest.mark.usefixtures("ledger")
def test_the_tables_are_those_of_this_optuna(url: str) -> None:
    with looking_at(url) as connection:
        assert has_known_schema(connection)

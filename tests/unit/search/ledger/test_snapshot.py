from __future__ import annotations

import dataclasses
import math
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from hico_platform.errors import DataError, UsageError
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
    with looking_at(url) as look:
        found = reader.read(look)
    assert found is not None
    return found


def same(snapshot: Snapshot, ledger: StudyLedger) -> bool:
    assert snapshot.trials == ledger.trials() == ledger._trials_by_optuna()
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
    with looking_at(url) as look:
        assert reader.read(look) is None
        assert SnapshotReader("none").read(look) is SnapshotReader("other").read(look) is None
    StudyLedger.create(open_storage(url), name="toy", space=SPACE, facts=FACTS, limit=3, at_s=5.0)
    assert (read(url, reader).trials, read(url, reader).search.limit) == ((), 3)


@pytest.mark.usefixtures("ledger")
def test_the_tables_are_those_of_this_optuna(url: str) -> None:
    with looking_at(url) as look:
        assert has_known_schema(look)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_it_is_what_the_ledger_says(ledger: StudyLedger, url: str, seed: int) -> None:
    draw, reader, running = random.Random(seed), SnapshotReader("toy"), list[int]()
    for step in range(14):
        if not running or draw.random() < 0.4:
            running.append(ledger.begin(SPACE, at_s=float(step)).number)
            continue
        number, epoch = draw.choice(running), draw.randrange(1, 9)
        history = tuple((one, {"loss": 1.0 / one, "decision": 0.5}) for one in range(draw.randrange(4)) if one)
        value = draw.choice([0.3, float("nan"), float("inf")]) if seed else 0.3
        match draw.choice(["report", "report", "run", "pause", "end", "add"]):
            case "report":
                ledger.record_report(number, dataclasses.replace(report(epoch, value), history=history))
            case "run":
                ledger.record_run(number, f"run-{step}")
                ledger.set_note("any", step)  # runs are written with the next write
            case "pause":
                ledger.set_note(PAUSES, {str(number): [[float(step), draw.choice([None, step + 1.0])]]})
            case "end":
                states = [TrialState.FAILED, TrialState.PRUNED, TrialState.COMPLETE]
                known = next(trial for trial in ledger.trials() if trial.number == number)
                finite = known.value is not None and math.isfinite(known.value)
                ledger.record_ending(number, ending(draw.choice(states if finite else states[:2])))
                running.remove(number)
            case "add":
                at = {"contrast.temperature": 0.1 + 0.01 * step, "model.encoder": "gru"}
                ledger.enqueue(at, space=SPACE, origin=Origin.ADDED)
        assert shown(read(url, reader)) == shown(ledger), "read again and again"
    assert shown(read(url, SnapshotReader("toy"))) == shown(ledger), "read once"


def shown(source: Snapshot | StudyLedger) -> str:
    """Trials and waiting points as text, in which a score that is no number equals itself."""
    ledgers = isinstance(source, StudyLedger)
    trials = source._trials_by_optuna() if ledgers else source.trials
    return "\n".join([*map(repr, trials), str(source.waiting() if ledgers else source.waiting)])


def test_a_damaged_record_is_refused_by_the_name_of_its_search(ledger: StudyLedger, url: str) -> None:
    ledger.begin(SPACE, at_s=0.0)
    ledger.record_report(0, report(1, 0.2))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE trial_user_attributes SET value_json = '{\"epoch\": 1' WHERE key = 'report:1'")
    with pytest.raises(UsageError, match=r"toy: expected a search that this version can read, got .JSONDecodeError"):
        read(url, SnapshotReader("toy"))


def test_losses_of_another_type_are_refused_by_name_when_they_are_looked_at(ledger: StudyLedger, url: str) -> None:
    ledger.begin(SPACE, at_s=0.0)
    ledger.record_report(0, report(1, 0.2))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        database.execute("UPDATE trial_user_attributes SET value_json = replace(value_json, '1.5}', '\"x\"}')")
    (trial,) = read(url, SnapshotReader("toy")).trials
    assert trial.value == 0.2, "nothing that a status shows is damaged"
    with pytest.raises(DataError, match="trial 0, report 1: history: expected a list of epochs"):
        list(trial.reports[0].history)

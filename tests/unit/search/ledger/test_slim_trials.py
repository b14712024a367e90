from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hico_platform.search.ledger.base import Ledger, TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.slim_trials import make_slim, whole_trials
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import ending, report

SPACE = toy_space(sampler={"name": "tpe", "startup_trials": 2})


def filled(storage: optuna.storages.BaseStorage) -> StudyLedger:
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=9, at_s=0.0)
    for number in range(4):
        ledger.begin(SPACE, at_s=float(number))
        ledger.record_report(number, report(3, 0.1 * number))
        if number < 3:
            ledger.record_ending(number, ending(TrialState.PRUNED))
    return ledger


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.db")


def test_a_driver_keeps_no_configurations_and_losses_of_finished_trials(url: str) -> None:
    filled(open_storage(url))
    ledger = StudyLedger.open(open_storage(url), name="toy")
    first, *_, running = ledger._study.get_trials(deepcopy=False)
    assert sorted(first.user_attrs["trial"]) == ["began_at_s", "origin", "values"]
    (kept,) = [value for key, value in first.user_attrs.items() if key.startswith("report:")]
    assert not {"history", "metrics", "checkpoint"} & kept.keys()
    assert kept["epoch"] == 3
    assert "config" in running.user_attrs["trial"], "of one that runs a resume needs all"
    one, other = (trial.distributions for trial in ledger._study.get_trials(deepcopy=False)[:2])
    assert all(one[name] is other[name] for name in one), "distributions are shared"


def test_the_records_are_whole_and_proposals_are_the_same(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(open_storage(url))
    slim = StudyLedger.open(open_storage(url), name="toy")
    by_queries = slim.trials()
    assert slim._trials_by_optuna() == by_queries
    proposed = slim.begin(SPACE, at_s=9.0).values

    def whole_ledger() -> Ledger:
        monkeypatch.setattr("hico_platform.search.ledger.optuna_ledger.make_slim", lambda storage: None)
        filled(storage := open_storage(url.replace("study.db", "other.db")))
        return StudyLedger.open(storage, name="toy")

    assert whole_ledger().begin(SPACE, at_s=9.0).values == proposed


def test_who_only_reads_gets_whole_trials_and_so_does_a_study_in_memory(url: str) -> None:
    filled(open_storage(url))
    assert "config" in optuna.load_study(study_name="toy", storage=open_storage(url)).trials[0].user_attrs["trial"]
    storage = open_storage("memory:")
    filled(storage)
    make_slim(storage)
    with whole_trials(storage):
        pass
    assert "config" in storage.get_all_trials(0)[0].user_attrs["trial"]


def test_what_is_read_whole_in_between_is_slim_again(url: str) -> None:
    storage = open_storage(url)
    filled(storage)
    with whole_trials(storage):
        assert "config" in storage.get_all_trials(1)[0].user_attrs["trial"]
    assert "config" not in storage.get_all_trials(1)[0].user_attrs["trial"]

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS
from tests.unit.search.ledger.contract import SPACE, ending


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.db")


@pytest.fixture
def ledger(url: str) -> StudyLedger:
    return StudyLedger.create(open_storage(url), name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)


def runs(url: str) -> list[str | None]:
    return [trial.run_id for trial in StudyLedger.open(open_storage(url), name="toy", settle=False).trials()]


def test_a_run_waits_for_the_next_write_and_is_known_here_before(ledger: StudyLedger, url: str) -> None:
    number = ledger.begin(SPACE, at_s=0.0).number
    ledger.record_run(number, "run-7")
    assert (ledger.trials()[0].run_id, runs(url)) == ("run-7", [None])
    assert ledger._trials_by_optuna()[0].run_id == "run-7"
    ledger.set_note("heartbeat", 1)
    assert runs(url) == ["run-7"]
    ledger.record_run(number, "run-8")
    ledger.record_ending(number, ending(TrialState.FAILED))
    assert (ledger.trials()[0].run_id, runs(url)) == ("run-8", ["run-8"])


def test_the_study_has_no_attribute_for_each_trial(ledger: StudyLedger, url: str) -> None:
    number = ledger.begin(SPACE, at_s=0.0).number
    ledger.record_run(number, "run-7")
    ledger.record_ending(number, ending(TrialState.FAILED))
    study = optuna.load_study(study_name="toy", storage=open_storage(url))
    assert set(study.user_attrs) == {"search"}
    assert study.trials[0].user_attrs["run"] == "run-7"


def test_a_run_that_was_opened_after_the_end_is_seen_by_who_read_the_trial_before(
    ledger: StudyLedger, url: str
) -> None:
    number = ledger.begin(SPACE, at_s=0.0).number
    ledger.record_ending(number, ending(TrialState.FAILED))
    watch = StudyLedger.open(open_storage(url), name="toy", settle=False)
    assert watch.trials()[0].run_id is None
    ledger.record_run(number, "run-7")
    assert watch.trials()[0].run_id == ledger.trials()[0].run_id == "run-7"


def test_runs_that_older_versions_kept_with_the_study_are_read(ledger: StudyLedger, url: str) -> None:
    for number in range(2):
        ledger.begin(SPACE, at_s=0.0)
        optuna.load_study(study_name="toy", storage=open_storage(url)).set_user_attr(f"run:{number}", f"old-{number}")
    ledger.record_run(1, "new-1")
    ledger.set_note("heartbeat", 1)
    assert runs(url) == ["old-0", "new-1"]


def test_a_write_that_failed_is_made_again(ledger: StudyLedger, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.begin(SPACE, at_s=0.0)
    ledger.record_run(0, "run-7")

    def fail(*_: object) -> None:
        raise OSError("disk")

    with monkeypatch.context() as patch:
        patch.setattr(ledger._study, "set_user_attr", fail)
        with pytest.raises(OSError, match="disk"):
            ledger.set_note("heartbeat", 1)
    assert runs(url) == [None]
    ledger.set_note("heartbeat", 2)
    assert runs(url) == ["run-7"]


def test_nothing_is_left_of_a_study_that_was_deleted(ledger: StudyLedger, url: str) -> None:
    number = ledger.begin(SPACE, at_s=0.0).number
    ledger.record_ending(number, ending(TrialState.FAILED))
    optuna.delete_study(study_name="toy", storage=open_storage(url))
    ledger.record_run(number, "run-7")
    with ledger.storage.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM trial_user_attributes").scalar() == 0

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from hico_platform.errors import HicoError
from hico_platform.search.drivers import this_driver
from hico_platform.search.ledger.base import Origin, TrialState
from hico_platform.search.ledger.deleted_study import explains_deleted_study
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS
from tests.unit.search.ledger.contract import SPACE, ending, report


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.db")


@pytest.fixture
def ledger(url: str) -> StudyLedger:
    return StudyLedger.create(open_storage(url), name="toy", space=SPACE, facts=FACTS, limit=6, at_s=5.0)


def test_a_study_that_is_deleted_while_its_search_runs_is_named(ledger: StudyLedger, url: str) -> None:
    number = ledger.begin(SPACE, at_s=0.0).number
    optuna.delete_study(study_name="toy", storage=open_storage(url))
    for step in (
        ledger.trials,
        lambda: ledger.begin(SPACE, at_s=0.0),
        lambda: ledger.enqueue({"contrast.temperature": 0.1}, space=SPACE, origin=Origin.LISTED),
        lambda: ledger.record_report(number, report(1, 0.1)),
        lambda: ledger.record_ending(number, ending(TrialState.FAILED)),
        lambda: ledger.note("any"),
        lambda: ledger.set_note("any", 1),
        ledger.drivers,
        lambda: ledger.record_driver(this_driver(at_s=1.0)),
    ):
        with pytest.raises(HicoError, match=r"study: expected the study toy in the database .*, got 'deleted'"):
            step()


def test_a_key_that_is_missing_while_the_study_is_there_is_an_error_of_another_kind(ledger: StudyLedger) -> None:
    @explains_deleted_study
    def step(self: StudyLedger) -> None:
        raise KeyError("a mistake in this package")

    with pytest.raises(KeyError, match="a mistake in this package"):
        step(ledger)


def test_the_result_and_the_name_of_a_method_stay_as_they_are(ledger: StudyLedger) -> None:
    @explains_deleted_study
    def sum_of(self: StudyLedger, one: int, *, other: int) -> int:
        return one + other

    assert (sum_of(ledger, 1, other=2), sum_of.__name__) == (3, "sum_of")

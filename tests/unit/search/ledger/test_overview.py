"""What the database counts and compares is what the records say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger.base import Ending, TrialState, best_trial
from hico_platform.search.ledger.engine import looking_at
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.ledger.overview import SearchOverview, Span, search_overviews
from hico_platform.search.notes import GPUS, SESSIONS
from hico_platform.search.tags import TagRecord
from tests.toy import FACTS, toy_space
from tests.unit.search.ledger.contract import report

SPACE = toy_space(scheduler={"name": "none", "report_every": 1}, sampler={"name": "random"})
Plan = list[tuple[list[float], TrialState, bool]]


def made(url: str, name: str, plan: Plan) -> StudyLedger:
    """A search whose trials begin at 10 s, 20 s, ...; each has its scores at epochs 1, 2, ... and ends so."""
    ledger = StudyLedger.create(open_storage(url), name=name, space=SPACE, facts=FACTS, limit=9, at_s=5.0)
    for index, (scores, state, excused) in enumerate(plan):
        number = ledger.begin(SPACE, at_s=10.0 * (index + 1)).number
        for epoch, value in enumerate(scores, start=1):
            ledger.record_report(number, dataclasses.replace(report(epoch, value), measures=(value,)))
        if state.is_final:
            ledger.record_ending(number, Ending(state=state, epoch=len(scores), at_s=200.0 + index, excused=excused))
    return ledger


def looked(url: str) -> dict[str, SearchOverview]:
    with looking_at(url) as look:
        return {one.name: one for one in search_overviews(look)}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.db")


COMPLETE, PRUNED, FAILED, RUNNING = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.RUNNING


def test_counts_best_and_what_the_search_keeps(url: str) -> None:
    plan: Plan = [
        ([0.1, 0.9], PRUNED, False),
        ([0.1, 0.5], COMPLETE, False),
        ([0.6, 0.5], COMPLETE, False),
        ([], FAILED, True),
        ([0.99], FAILED, False),
        ([0.3], RUNNING, False),
    ]
    ledger = made(url, "toy", plan)
    driver = DriverRecord(user="ann", uid=7, host="gpu", pid=3, command="x", began_at_s=5.0)
    ledger.record_driver(driver)
    for tag in ("b", "a", "gone"):
        ledger.set_tag(TagRecord(name=tag, by="ann", at_s=1.0))
    ledger.remove_tag("gone")
    ledger.set_note(GPUS, 0.5)
    found = looked(url)["toy"]
    assert found.search == ledger.search
    assert found.counts == {RUNNING: 1, COMPLETE: 2, PRUNED: 1, FAILED: 2}
    assert found.excused == 1
    assert found.best is not None
    assert (found.best.number, found.best.epoch, found.best.value) == (1, 2, 0.5), "the first of two equals"
    assert found.notes[GPUS] == 0.5
    assert found.drivers == (driver,)
    assert [tag.name for tag in found.tags] == ["a", "b"]
    assert found.spans[1] == Span(marks=(20.0, 201.0), ended=True)
    assert found.spans[5] == Span(marks=(60.0, 101.0), ended=False), "with its reports, as its end is not known"


def test_reports_count_where_another_driver_began_between_them(url: str) -> None:
    ledger = made(url, "toy", [([0.1, 0.2], COMPLETE, False), ([0.1], PRUNED, False)])
    for sessions, marks in (
        ([5.0], [(10.0, 200.0), (20.0, 201.0)]),
        ([5.0, 150.0], [(10.0, 101.0, 102.0, 200.0), (20.0, 101.0, 201.0)]),
        ([5.0, 15.0], [(10.0, 101.0, 102.0, 200.0), (20.0, 201.0)]),
        ([5.0, 201.0], [(10.0, 200.0), (20.0, 101.0, 201.0)]),
    ):
        ledger.set_note(SESSIONS, sessions)
        assert [span.marks for span in looked(url)["toy"].spans] == marks, sessions


def test_before_a_whole_trial_the_best_is_among_those_that_went_furthest(url: str) -> None:
    begun = [
        ([0.9], PRUNED, False),
        ([0.2, 0.1], RUNNING, False),
        ([0.1, 0.1], PRUNED, False),
        ([0.1] * 3, FAILED, False),
    ]
    made(url, "begun", begun)
    made(url, "failed", [([0.9], FAILED, False), ([], RUNNING, False)])
    found = looked(url)
    best = best_trial(StudyLedger.open(open_storage(url), name="begun").trials())
    shown = found["begun"].best
    assert best is not None
    assert shown is not None
    assert (shown.number, shown.epoch, shown.value) == (best.number, best.reports[-1].epoch, best.value) == (1, 2, 0.1)
    assert found["failed"].best is None


def test_a_search_of_another_version_says_why_and_the_others_are_read(url: str) -> None:
    made(url, "toy", [])
    made(url, "odd", [])
    storage = open_storage(url)
    storage.create_new_study([], study_name="somebody's own")
    study = storage.get_study_id_from_name("odd")
    content = storage.get_study_user_attrs(study)["search"]
    content["facts"]["code_version"] = "9.0.0"
    del content["source"]
    storage.set_study_user_attr(study, "search", content)
    found = looked(url)
    assert list(found) == ["odd", "toy"], "by name, without what something else made"
    assert found["odd"].search is None
    assert found["odd"].problem is not None
    assert "9.0.0" in found["odd"].problem
    assert found["toy"].problem is None


def test_an_ending_counts_before_the_state_that_was_to_follow(url: str) -> None:
    made(url, "toy", [([0.5], COMPLETE, False)])
    with looking_at(url) as look:
        look.rows("UPDATE trials SET state = 'RUNNING'")  # undone when the look ends
        (found,) = search_overviews(look)
    assert found.counts[COMPLETE] == 1
    assert found.counts[RUNNING] == 0

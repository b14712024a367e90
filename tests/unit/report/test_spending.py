"""What a search had spent when, against sums by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.spending import moments
from tests.reported import many_trials


def trial(number: int, curve: dict[int, float], state: str = "complete", **more: Any) -> ReportedTrial:
    known: dict[str, Any] = {
        "word": state, "origin": "sampler", "values": {}, "metrics": {}, "seconds": None, "reason": None,
        "run_id": None,
    }  # fmt: skip
    return ReportedTrial(number=number, state=state, curve=curve, **(known | more))


def content(*trials: ReportedTrial) -> ReportContent:
    return ReportContent(
        name="toy", description="", state="running", progress="", ended_by=None, limit=5, epochs=9, rungs=[1],
        trials=list(trials), best=None, facts={},
    )  # fmt: skip


def test_reports_and_endings_of_all_trials_in_the_order_of_time() -> None:
    first = trial(
        0, {1: 0.2, 9: 0.5}, at_s={1: 100.0, 9: 300.0}, spent_s={1: 10.0, 9: 90.0}, busy_s=95.0, ended_at_s=310.0
    )
    second = trial(
        1, {1: 0.6, 3: 0.4}, "pruned", at_s={1: 150.0, 3: 200.0}, spent_s={1: 20.0, 3: 60.0}, busy_s=61.0,
        ended_at_s=300.0,
    )  # fmt: skip
    third = trial(2, {9: 0.4}, at_s={9: 400.0}, spent_s={9: 80.0}, busy_s=85.0, ended_at_s=400.0)
    found = moments(content(first, second, third))
    shown = [(one.trial.number, one.at_s, one.epochs, one.worker_s, one.ended, one.best, one.any_best) for one in found]
    assert shown == [
        (0, 100.0, 1, 10.0, 0, None, 0.2),
        (1, 150.0, 2, 30.0, 0, None, 0.6),
        (1, 200.0, 4, 70.0, 0, None, 0.6),
        (0, 300.0, 12, 150.0, 0, None, 0.6),
        (1, 300.0, 12, 151.0, 1, None, 0.6),
        (0, 310.0, 12, 156.0, 2, 0.5, 0.6),
        (2, 400.0, 21, 236.0, 2, 0.5, 0.6),
        (2, 400.0, 21, 241.0, 3, 0.5, 0.6),
    ]
    assert [one.is_end for one in found] == [False, False, False, False, True, True, False, True]


def test_a_trial_of_an_older_version_costs_what_is_known_and_comes_after_the_one_before() -> None:
    found = moments(content(trial(0, {1: 0.2, 9: 0.5}, seconds=30.0), trial(1, {1: 0.3}, "running")))
    assert [(one.trial.number, one.epochs, one.worker_s, one.is_end) for one in found] == [
        (0, 1, 0.0, False), (0, 9, 0.0, False), (0, 9, 0.0, True), (1, 10, 0.0, False),
    ]  # fmt: skip
    assert all(one.at_s == 0.0 for one in found)


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    odd = trial(0, {1: 0.2, 3: 0.3}, at_s={1: 1.0, 3: 2.0}, spent_s={1: 50.0, 3: 40.0}, busy_s=45.0, ended_at_s=3.0)
    assert [one.worker_s for one in moments(content(odd))] == [50.0, 50.0, 50.0]


def test_nothing_was_reported() -> None:
    assert moments(content()) == []
    failed = trial(0, {}, "failed", busy_s=7.0, ended_at_s=20.0)
    (one,) = moments(content(failed, trial(1, {}, "running")))
    assert (one.ended, one.worker_s, one.best, one.any_best, one.is_end) == (1, 7.0, None, 0.0, True)


def test_the_sums_of_a_large_search_are_those_of_its_trials() -> None:
    many = many_trials(60)
    found = moments(many)
    last = found[-1]
    assert last.ended == 60
    assert last.epochs == sum(one.epoch for one in many.trials)
    assert math.isclose(last.worker_s, sum(one.busy_s or 0.0 for one in many.trials))
    complete = [one.value for one in many.trials if one.is_complete and one.value is not None]
    assert last.best == max(complete)
    assert last.any_best == max(value for one in many.trials for value in one.curve.values())
    for before, after in itertools.pairwise(found):
        assert before.at_s <= after.at_s
        assert before.worker_s <= after.worker_s
        assert (before.best or 0.0) <= (after.best or 0.0)

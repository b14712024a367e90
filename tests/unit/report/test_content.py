from __future__ import annotations

import dataclasses

import pytest

from tests.unit.report.test_page import CONTENT, trial


def test_a_trial_stands_where_its_last_report_left_it() -> None:
    best = trial(0, "complete", {1: 0.6, 9: 0.5, 3: 0.7})
    assert (best.epoch, best.value) == (9, 0.5)
    assert (trial(1, "failed", {}).epoch, trial(1, "failed", {}).value) == (0, None)


@pytest.mark.parametrize("number", [0, 2])
def test_the_best_trial_is_found_by_its_number(number: int) -> None:
    best = dataclasses.replace(CONTENT, trials=CONTENT.trials[::-1], best=number).best_trial
    assert best is not None
    assert best.number == number


@pytest.mark.parametrize("number", [None, 7])
def test_there_may_be_no_best(number: int | None) -> None:
    assert dataclasses.replace(CONTENT, best=number).best_trial is None


def test_parameters_and_metrics_are_those_of_all_trials_each_once() -> None:
    trials = [
        trial(0, "complete", {}, values={"b": 1, "a": 2}, metrics={"y": 0.1}),
        trial(1, "complete", {}, values={"b": 1, "c": 2}, metrics={"x": 0.1, "y": 0.2}),
        trial(2, "failed", {}, values={"a": 3}),
    ]
    content = dataclasses.replace(CONTENT, trials=trials)
    assert content.parameters == ["b", "a", "c"]
    assert content.metrics == ["y", "x"]

from __future__ import annotations

import dataclasses

import pytest

from hico_platform.report.certainty import certainty
from tests.unit.report.test_page import CONTENT, trial


def _content(*scores: float, error: float | None = 0.02, stopped: float | None = None) -> object:
    errors = {} if error is None else {9: error}
    trials = [trial(number, "complete", {9: score}, errors=errors) for number, score in enumerate(scores)]
    if stopped is not None:
        trials.append(trial(len(trials), "pruned", {3: stopped}, errors={3: 0.02}))
    best = max(range(len(scores)), key=lambda number: scores[number])
    return dataclasses.replace(CONTENT, trials=trials, best=best)


def test_the_interval_is_196_standard_errors_to_either_side() -> None:
    sure = certainty(_content(0.5, 0.6))  # type: ignore[arg-type]
    assert sure is not None
    assert (sure.trial.number, sure.value, sure.error) == (1, 0.6, 0.02)
    assert (sure.low, sure.high) == (pytest.approx(0.6 - 0.0392, abs=1e-4), pytest.approx(0.6392, abs=1e-4))
    high = certainty(_content(0.995))  # type: ignore[arg-type]
    assert high is not None
    assert high.high == 1.0


@pytest.mark.parametrize(("second", "is_noise", "within"), [(0.59, True, 2), (0.579, False, 1)])
def test_the_next_best_is_noise_within_one_standard_error(second: float, is_noise: bool, within: int) -> None:
    sure = certainty(_content(0.4, second, 0.6, stopped=0.7))  # type: ignore[arg-type]
    assert sure is not None
    assert sure.runner_up is not None
    assert (sure.runner_up.number, sure.is_noise, sure.within_one, sure.compared) == (1, is_noise, within, 3)
    assert sure.lead == pytest.approx(0.6 - second)


def test_what_is_not_known_is_not_said() -> None:
    sure = certainty(_content(0.5, 0.6, error=None))  # type: ignore[arg-type]
    assert sure is not None
    assert (sure.low, sure.is_noise, sure.within_one) == (None, None, None)
    alone = certainty(_content(0.5))  # type: ignore[arg-type]
    assert alone is not None
    assert (alone.runner_up, alone.lead, alone.is_noise) == (None, None, None)
    assert certainty(dataclasses.replace(CONTENT, trials=[], best=None)) is None

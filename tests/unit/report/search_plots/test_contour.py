from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from hico_platform.report.search_plots.contour import CELLS, LEAST_TRIALS, contour, smoothed
from tests.reported import many_trials


def test_the_surface_is_the_mean_of_what_is_near_and_empty_where_nothing_is() -> None:
    places = np.array([[0.3, 0.0]] * 5 + [[0.7, 0.0]] * 5)
    found = smoothed(places, np.array([10.0] * 5 + [30.0] * 5))
    assert found.shape == (CELLS, CELLS)
    assert 10 < found[0, 6] < 12
    assert 28 < found[0, -7] < 30
    assert found[0, CELLS // 2] == pytest.approx(20)
    assert np.isnan(found[-1]).all(), "no trial has a high second value"
    assert np.nanmin(found) >= 10
    assert np.nanmax(found) <= 30


def test_two_that_interact_show_it_along_the_diagonal() -> None:
    line = np.linspace(0, 1, 12)
    places = np.array([[x, y] for x in line for y in line])
    found = smoothed(places, 100 * (1 - np.abs(places[:, 0] - places[:, 1])))
    assert not np.isnan(found).any()
    assert found[0, 0] > found[0, -1] < found[-1, -1] > found[-1, 0]


def test_it_has_the_two_that_matter_most_and_every_complete_trial() -> None:
    content = many_trials(200)
    plot = contour(content, prefix="a-")
    assert plot is not None
    surface, dots = plot.data
    complete = [trial for trial in content.trials if trial.is_complete]
    assert (plot.name, surface["type"], len(surface["z"])) == ("a-contour", "contour", CELLS)
    assert len(dots["x"]) == len(dots["y"]) == len(complete)
    assert [number for number, _ in dots["customdata"]] == [trial.number for trial in complete]
    scores = [100 * (trial.value or 0) for trial in complete]
    drawn = [one for row in surface["z"] for one in row if one is not None]
    assert min(scores) <= min(drawn) <= max(drawn) <= max(scores)
    assert not any(math.isnan(one) for one in drawn)
    named = dataclasses.replace(
        content.named_importance, shares={"contrast.temperature": 0.9, "contrast.level_weights.clip": 0.1}
    )  # type: ignore[type-var]
    first = contour(dataclasses.replace(content, named_importance=named))
    assert first is not None
    assert first.layout["xaxis"]["title"]["text"] == "temperature"
    assert first.layout["xaxis"]["type"] == "log"
    ratios = np.diff(np.log(first.data[0]["x"]))
    assert ratios == pytest.approx(ratios[0], rel=1e-4)


def test_without_enough_of_either_there_is_none() -> None:
    content = many_trials(200)
    complete = [trial for trial in content.trials if trial.is_complete]
    assert contour(dataclasses.replace(content, trials=complete[: LEAST_TRIALS - 1])) is None
    alike = [dataclasses.replace(one, values={"model.encoder": "gru", "contrast.temperature": 0.1}) for one in complete]
    assert contour(dataclasses.replace(content, trials=alike)) is None

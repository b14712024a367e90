from __future__ import annotations

import dataclasses
import itertools
import random

import pytest

from hico_platform.report.search_plots.history import history
from tests.unit.report.search_plots.small_search import CONTENT, CURVES, traces


def test_the_best_so_far_is_that_of_complete_trials_in_the_order_of_their_endings() -> None:
    plot = history(CONTENT)
    assert plot is not None
    line = traces(plot)["best complete trial so far"]
    assert list(dict.fromkeys(line["y"])) == [58.0], "trial 3 ended first, and trial 0 was no better"
    anywhere = traces(plot)["best at any report"]["y"]
    assert anywhere == list(itertools.accumulate(anywhere, max)), "it never falls"
    assert anywhere[-1] == 60.0
    assert sorted(traces(plot)["complete"]["y"]) == [50.0, 58.0]


def test_costs_count_every_trial() -> None:
    plot = history(CONTENT)
    assert plot is not None
    by = {view.name: view.x[0][-1] for view in plot.views}
    assert by["epochs"] == sum(max(curve, default=0) for curve in CURVES) == 22
    worker_s = sum(10 * max(curve, default=0) for curve in CURVES) + 4 * 5.0
    assert by["CPU-minutes"] == pytest.approx(2 * worker_s / 60, abs=1e-4)
    assert by["trials"] == 4


@pytest.mark.parametrize("seed", range(20))
def test_a_line_of_steps_is_drawn_the_same_without_what_lies_on_it(seed: int) -> None:
    draw = random.Random(seed)
    values = list(itertools.accumulate(draw.choices(range(4), weights=(9, 1, 1, 1), k=draw.randrange(1, 30))))
    ended = [draw.random() < 0.5 for _ in values]
    trials = [
        dataclasses.replace(
            CONTENT.trials[0], number=number, curve={1: value / 100}, at_s={1: float(number)}, spent_s={1: 1.0},
            state="complete" if whole else "running", busy_s=1.0 if whole else None, seconds=None,
            ended_at_s=number + 0.5 if whole else None,
        )
        for number, (value, whole) in enumerate(zip(values, ended, strict=True))
    ]  # fmt: skip
    plot = history(dataclasses.replace(CONTENT, trials=trials))
    line = traces(plot)["best at any report"]
    assert drawn(line) == {number + 1: float(value) for number, value in enumerate(values)}
    assert len(line["x"]) <= len(set(values)) + 2
    assert plot is not None
    assert all(len(view.x[0]) == len(line["x"]) for view in plot.views)


def drawn(line: dict[str, list]) -> dict[int, float]:
    """The height of a line of steps at each whole place from its first to its last."""
    corners = dict(zip(line["x"], line["y"], strict=True))  # of several at one place the last is the height after it
    found: dict[int, float] = {}
    for place in range(min(corners), max(corners) + 1):
        found[place] = corners.get(place, found.get(place - 1, 0.0))
    return found

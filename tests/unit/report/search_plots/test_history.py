from __future__ import annotations

import itertools

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

from __future__ import annotations

import statistics

from hico_platform.report.search_plots.learning_curves import learning_curves
from tests.reported import many_trials
from tests.unit.report.search_plots.small_search import CONTENT, traces


def test_learning_curves_are_the_reports_of_each_trial_apart() -> None:
    plot = learning_curves(CONTENT)
    best = traces(plot)["best: trial 3"]
    assert (best["x"], best["y"]) == ([1, 3, 9], [35.0, 60.0, 58.0])
    assert best["error_y"]["array"] == [2.0, 2.0, 2.0]
    assert traces(plot)["complete"]["y"] == [30.0, 55.0, 50.0]
    assert plot is not None
    assert [shape["x0"] for shape in plot.layout["shapes"]] == [1, 3]
    assert plot.views[1].x[-1] == [10.0, 30.0, 90.0], "the same by seconds"
    assert plot.table is not None
    assert plot.table.rows[0] == ["1", "4", "20.0", "32.5", "40.0"]


def test_lines_of_one_state_have_gaps_between_them() -> None:
    content = many_trials(40)
    stopped = [trial for trial in content.trials if trial.state == "pruned"]
    trace = traces(learning_curves(content))["stopped"]
    assert trace["y"].count(None) == len(stopped) - 1
    assert len(trace["y"]) == sum(len(trial.curve) for trial in stopped) + len(stopped) - 1


def test_a_median_of_the_table_is_one() -> None:
    content = many_trials(60)
    plot = learning_curves(content)
    assert plot is not None
    assert plot.table is not None
    at_one = [trial.curve[1] for trial in content.trials if 1 in trial.curve]
    assert plot.table.rows[0][3] == f"{100 * statistics.median(at_one):.1f}"

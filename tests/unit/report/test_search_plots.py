from __future__ import annotations

import dataclasses
import itertools
import statistics

import numpy as np
import pytest

from hico_platform.report import search_plots
from hico_platform.report.content import Importance, ReportContent, ReportedTrial
from hico_platform.report.plot import Plot
from tests.reported import many_trials

# Scores fall within a trial and between trials; trials end in another order than they began.
CURVES = [{1: 0.30, 3: 0.55, 9: 0.50}, {1: 0.20}, {}, {1: 0.35, 3: 0.60, 9: 0.58}, {1: 0.40, 3: 0.52}]
STATES = ["complete", "pruned", "failed", "complete", "running"]
ENDS = [900.0, 150.0, 20.0, 500.0, None]


def _trial(number: int) -> ReportedTrial:
    curve, end = CURVES[number], ENDS[number]
    return ReportedTrial(
        number=number,
        state=STATES[number],
        word={"pruned": "stopped"}.get(STATES[number], STATES[number]),
        origin="sampler",
        values={"contrast.temperature": 0.1 * (number + 1), "model.encoder": ("gru", "lstm")[number % 2]},
        curve=curve,
        metrics={},
        seconds=None,
        reason=None,
        run_id=None,
        errors=dict.fromkeys(curve, 0.02),
        spent_s={epoch: 10.0 * epoch for epoch in curve},
        at_s={epoch: 100.0 + 30.0 * epoch + number for epoch in curve},
        busy_s=None if end is None else 10.0 * max(curve, default=0) + 5.0,
        ended_at_s=end,
    )


CONTENT = ReportContent(
    name="toy",
    description="",
    state="running",
    progress="4 of 5 trials ended",
    ended_by=None,
    limit=5,
    epochs=9,
    rungs=[1, 3],
    trials=[_trial(number) for number in range(5)],
    best=3,
    facts={},
    log_parameters=frozenset({"contrast.temperature"}),
    cpus=2.0,
)


def traces(plot: Plot | None) -> dict[str, dict]:
    assert plot is not None
    return {trace["name"]: trace for trace in plot.data}


def test_the_best_so_far_is_that_of_complete_trials_in_the_order_of_their_endings() -> None:
    plot = search_plots.history(CONTENT)
    assert plot is not None
    line = traces(plot)["best complete trial so far"]
    assert list(dict.fromkeys(line["y"])) == [58.0], "trial 3 ended first, and trial 0 was no better"
    anywhere = traces(plot)["best at any report"]["y"]
    assert anywhere == list(itertools.accumulate(anywhere, max)), "it never falls"
    assert anywhere[-1] == 60.0
    assert sorted(traces(plot)["complete"]["y"]) == [50.0, 58.0]


def test_costs_count_every_trial() -> None:
    plot = search_plots.history(CONTENT)
    assert plot is not None
    by = {view.name: view.x[0][-1] for view in plot.views}
    assert by["epochs"] == sum(max(curve, default=0) for curve in CURVES) == 22
    worker_s = sum(10 * max(curve, default=0) for curve in CURVES) + 4 * 5.0
    assert by["CPU-minutes"] == pytest.approx(2 * worker_s / 60, abs=1e-4)
    assert by["trials"] == 4


def test_learning_curves_are_the_reports_of_each_trial_apart() -> None:
    plot = search_plots.learning_curves(CONTENT)
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
    trace = traces(search_plots.learning_curves(content))["stopped"]
    assert trace["y"].count(None) == len(stopped) - 1
    assert len(trace["y"]) == sum(len(trial.curve) for trial in stopped) + len(stopped) - 1


def test_the_flow_has_every_trial() -> None:
    plot = search_plots.rung_flow(CONTENT)
    assert plot is not None
    (flow,) = plot.data
    names = [label.rpartition(": ")[0] for label in flow["node"]["label"]]
    sizes = dict(label.rsplit(": ", 1) for label in flow["node"]["label"])
    assert (sizes["began"], sizes["epoch 1"], sizes["epoch 9"], sizes["stopped at 1"]) == ("5", "4", "2", "1")
    ends = [value for target, value in zip(flow["link"]["target"], flow["link"]["value"], strict=True)
            if names[target] in ("stopped at 1", "failed", "running", "epoch 9")]  # fmt: skip
    assert sum(ends) == len(CURVES)
    assert plot.table is not None
    assert plot.table.rows[0] == ["1", "4", "3", "1", "32.5", "40.0"]


def test_parallel_axes_place_each_value() -> None:
    plot = search_plots.parallel(CONTENT)
    assert plot is not None
    temperature, encoder, score = plot.data["axes"]
    logs = np.log10([0.1, 0.2, 0.4, 0.5])  # of the trials that have a score
    assert temperature["at"] == pytest.approx((logs - logs[0]) / (logs[-1] - logs[0]), abs=1e-3)
    assert temperature["ticks"][0] == [0.0, "0.1"]
    assert encoder["at"] == [0.0, 1.0, 1.0, 0.0]
    assert [text for _, text in encoder["ticks"]] == ["gru", "lstm"]
    assert score["label"] == "kNN top-1, %"
    assert plot.data["score"] == [50.0, 20.0, 58.0, 52.0]
    assert plot.data["whole"] == [True, False, True, False]


def test_a_conditional_parameter_is_missing_where_it_is() -> None:
    trials = [dataclasses.replace(one, values={**one.values, "model.dropout": 0.1 * one.number} if one.number else
              one.values) for one in CONTENT.trials]  # fmt: skip
    plot = search_plots.parallel(dataclasses.replace(CONTENT, trials=trials))
    assert plot is not None
    (axis,) = [one for one in plot.data["axes"] if one["label"] == "dropout"]
    assert axis["at"][0] is None
    assert None not in axis["at"][1:]


def test_four_weights_are_four_faces_with_the_weights_themselves() -> None:
    content = many_trials(40)
    plots = search_plots.weights(content)
    assert len(plots) == 4
    (trace,) = plots[0].data
    scored = sorted((one for one in content.trials if one.value is not None), key=lambda one: one.value or 0.0)
    assert trace["a"] == pytest.approx([trial.values["contrast.level_weights.clip"] for trial in scored], abs=1e-4)
    assert trace["marker"]["color"] == pytest.approx([100 * trial.value for trial in scored], abs=1e-3)


@pytest.mark.parametrize(
    ("weights", "plots", "kind"), [(2, 1, "scatter"), (3, 1, "scatterternary"), (5, 10, "scatter")]
)
def test_other_numbers_of_weights(weights: int, plots: int, kind: str) -> None:
    fields = [f"w.{number}" for number in range(weights)]
    trials = [dataclasses.replace(one, values=dict.fromkeys(fields, 1 / weights)) for one in CONTENT.trials]
    found = search_plots.weights(dataclasses.replace(CONTENT, trials=trials, simplexes={"w": fields}))
    assert [plot.data[0]["type"] for plot in found] == [kind] * plots


def test_importance_is_in_percent_with_intervals_within_0_and_100() -> None:
    named = Importance(
        shares={"contrast.temperature": 0.7, "model.encoder": 0.3},
        epoch=1,
        trials=4,
        errors={"contrast.temperature": 0.05, "model.encoder": 0.2},
        draws=50,
    )
    plot = search_plots.importance(dataclasses.replace(CONTENT, named_importance=named))
    assert plot is not None
    (bars,) = plot.data
    assert (bars["x"], bars["y"]) == ([30.0, 70.0], ["encoder", "temperature"])
    assert bars["error_x"]["array"] == [39.2, 9.8]
    assert bars["error_x"]["arrayminus"] == [30.0, 9.8]
    assert plot.table is not None
    assert plot.table.rows[0] == ["contrast.temperature", "70.0", "60.2 to 79.8"]


def test_slices_are_the_last_scores_the_most_important_first() -> None:
    named = Importance(shares={"contrast.temperature": 0.3, "model.encoder": 0.7}, epoch=1, trials=4)
    encoder, temperature = search_plots.slices(dataclasses.replace(CONTENT, named_importance=named))
    assert (encoder.sentence, temperature.sentence) == ("model.encoder", "contrast.temperature")
    shown = traces(temperature)
    assert shown["complete"]["x"] == [0.1, 0.4]
    assert shown["complete"]["y"] == [50.0, 58.0]
    assert shown["stopped or not yet done"]["y"] == [20.0, 52.0]
    assert temperature.layout["xaxis"]["type"] == "log"


def test_seconds_of_training_and_of_downstream_evaluation_add_up() -> None:
    shown = traces(search_plots.cost(CONTENT))
    total = [sum(both) for both in zip(shown["training and validation"]["y"],
                                       shown["downstream evaluation"]["y"], strict=True)]  # fmt: skip
    assert total == [95.0, 15.0, 5.0, 95.0]
    assert shown["downstream evaluation"]["y"] == [5.0, 5.0, 0.0, 5.0]
    table = search_plots.cost_table(CONTENT)
    assert table.rows[-1][:3] == ["all", "4", "19"]
    assert float(table.rows[-1][3]) == pytest.approx(210 / 3600, abs=0.005)


def test_each_machine_has_its_own_cost() -> None:
    assert search_plots.machine_table(CONTENT) is None
    trials = [
        dataclasses.replace(one, machine=("node-1", "node-2", "node-1", None, None)[one.number])
        for one in CONTENT.trials
    ]
    table = search_plots.machine_table(dataclasses.replace(CONTENT, trials=trials))
    assert table is not None
    assert [row[:3] for row in table.rows] == [["node-1", "2", "9"], ["node-2", "1", "1"], ["not known", "1", "9"]]


def test_parameters_that_did_not_vary_are_left_out() -> None:
    alike = [dataclasses.replace(one, values={"model.encoder": "gru"}) for one in CONTENT.trials]
    content = dataclasses.replace(CONTENT, trials=alike)
    assert (search_plots.parallel(content), search_plots.slices(content)) == (None, [])


def test_a_median_of_the_table_is_one() -> None:
    content = many_trials(60)
    plot = search_plots.learning_curves(content)
    assert plot is not None
    assert plot.table is not None
    at_one = [trial.curve[1] for trial in content.trials if 1 in trial.curve]
    assert plot.table.rows[0][3] == f"{100 * statistics.median(at_one):.1f}"

from __future__ import annotations

import dataclasses

import pytest

from hico_platform.report.plot import (
    PALETTE,
    STATE_COLOURS,
    SYMBOLS,
    Plot,
    View,
    axis,
    is_number,
    labels,
    line_mode,
    marker_size,
    number,
    percent,
    points,
)
from hico_platform.search.state import TrialStatus
from tests.reported import many_trials
from tests.unit.report.test_spending import content, trial


def test_scores_in_per_cent() -> None:
    assert [percent(value) for value in (None, 0.0, 0.51249, 1.0)] == ["", "0.0", "51.2", "100.0"]
    assert percent(0.51249, digits=2) == "51.25"
    assert points([None, 0.0, 0.512345678]) == [None, 0.0, 51.2346]


@pytest.mark.parametrize(
    ("value", "shown", "numeric"),
    [
        (0.07000001, "0.07", True),
        (1e-5, "1e-05", True),
        (512, "512", True),
        (True, "True", False),
        ("gru", "gru", False),
    ],
)
def test_values_of_parameters(value: object, shown: str, numeric: bool) -> None:
    assert number(value) == shown
    assert is_number(value) == numeric


def test_short_names_unless_two_are_the_same() -> None:
    found = labels(many_trials(3))
    assert found["contrast.temperature"] == "temperature"
    assert found["contrast.level_weights.clip"] == "level weight: clip"
    assert found["model.encoder"] == "encoder"
    twins = content(trial(0, {}, values={"model.dropout": 0.1, "head.dropout": 0.2, "model.layers": 2}))
    assert labels(twins) == {
        "model.dropout": "model.dropout", "head.dropout": "head.dropout", "model.layers": "layers",
    }  # fmt: skip


def test_points_shrink_where_there_are_many_and_stay_visible() -> None:
    assert [marker_size(count, 10) for count in (1, 150, 151)] == [10, 10, 5]
    assert marker_size(1000, 6) == 4


def test_an_axis_and_a_plot_as_plotly_takes_them() -> None:
    assert axis("epoch", type="log") == {"title": {"text": "epoch"}, "automargin": True, "type": "log"}
    views = [View(name="time", title="hours", x=[[1, 2]]), View(name="n", title="trials", x=[[3]], shapes=[{"a": 1}])]
    plot = Plot(name="p", label="l", sentence="s", data=[{"x": [1]}], layout={"b": 2}, views=views)
    assert plot.plain == {
        "kind": "plotly",
        "data": [{"x": [1]}],
        "layout": {"b": 2},
        "views": [
            {"name": "time", "title": "hours", "x": [[1, 2]]},
            {"name": "n", "title": "trials", "x": [[3]], "shapes": [{"a": 1}]},
        ],
    }
    assert dataclasses.replace(plot, kind="parallel", views=()).plain["views"] == []


def test_states_and_traces_can_be_told_apart() -> None:
    assert STATE_COLOURS.keys() == {str(state) for state in TrialStatus}
    assert len(set(STATE_COLOURS.values())) == len(STATE_COLOURS)
    assert len(set(PALETTE)) == len(PALETTE)
    assert len(set(SYMBOLS)) == len(SYMBOLS)
    assert "#000000" not in PALETTE


def test_a_line_of_one_point_can_be_seen() -> None:
    assert [line_mode(count) for count in (0, 1, 2, 9)] == ["lines+markers", "lines+markers", "lines", "lines"]

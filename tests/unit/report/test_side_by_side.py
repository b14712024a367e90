from __future__ import annotations

import dataclasses

import pytest

from hico_platform.report.certainty import certainty
from hico_platform.report.content import ReportContent
from hico_platform.report.side_by_side import bests, differs, history, table
from hico_platform.report.spending import moments
from tests.reported import many_trials


@pytest.fixture(scope="module")
def two() -> list[ReportContent]:
    one = dataclasses.replace(many_trials(30, name="one", seed=1), gpus=0.5)
    return [one, many_trials(20, name="two", seed=2)]


def test_what_has_to_agree_before_scores_are_compared(two: list[ReportContent]) -> None:
    assert differs(two) == []
    one, other = two
    for name, changed in (
        ("what is scored", {"score": "5-NN"}),
        ("dataset", {"more_facts": {"data digest": "beef"}}),
        ("protocol", {"facts": {**other.facts, "protocol": "xview"}}),
        ("scored on", {"facts": {**other.facts, "scored on": "test"}}),
        ("epoch budget", {"epochs": 9}),
    ):
        assert differs([one, dataclasses.replace(other, **changed)]) == [name]
    older = dataclasses.replace(other, more_facts={})
    assert differs([older, dataclasses.replace(older, facts={**older.facts, "data digest": "x"})]) == ["dataset"]


def test_the_bests_with_their_intervals(two: list[ReportContent]) -> None:
    plot = bests(two)
    assert plot is not None
    assert [trace["y"] for trace in plot.data] == [["one"], ["two"]]
    for content, trace in zip(two, plot.data, strict=True):
        best = content.best_trial
        assert best is not None
        assert best.value is not None
        assert trace["x"] == [pytest.approx(100 * best.value, abs=1e-3)]
        reach = 100 * 1.959964 * 0.015
        assert trace["error_x"]["arrayminus"] == [pytest.approx(reach, abs=1e-3)]
        assert trace["error_x"]["array"] == [pytest.approx(min(reach, 100 * (1 - best.value)), abs=1e-3)]
        assert f"(trial {best.number})" in trace["hovertemplate"]
    assert plot.height == 110 + 2 * 44
    assert plot.data[0]["marker"]["color"] != plot.data[1]["marker"]["color"]
    assert plot.data[0]["marker"]["symbol"] != plot.data[1]["marker"]["symbol"], "told apart without colours"


def test_a_best_without_a_known_error_has_no_bar(two: list[ReportContent]) -> None:
    plain = [dataclasses.replace(trial, errors={}) for trial in two[0].trials]
    plot = bests([dataclasses.replace(two[0], trials=plain)])
    assert plot is not None
    assert (plot.data[0]["error_x"]["array"], plot.data[0]["error_x"]["arrayminus"]) == ([0.0], [0.0])


def test_nothing_to_show(two: list[ReportContent]) -> None:
    empty = dataclasses.replace(two[0], trials=[], best=None)
    assert bests([empty]) is None
    assert history([empty]) is None
    (row,) = table([empty]).rows
    assert row[3:10] == ["", "", "", "0", "0", "0.00", "0.00"]


def test_the_best_so_far_against_costs_that_all_have(two: list[ReportContent]) -> None:
    plot = history(two)
    assert plot is not None
    assert [trace["name"] for trace in plot.data] == ["one", "two"]
    assert plot.data[0]["line"]["dash"] != plot.data[1]["line"]["dash"]
    for place, content in enumerate(two):
        scored = [one for one in moments(content) if one.best is not None]
        assert plot.data[place]["y"] == [pytest.approx(100 * (one.best or 0.0), abs=1e-3) for one in scored]
        assert plot.data[place]["y"] == sorted(plot.data[place]["y"])
        by = {view.name: view.x[place] for view in plot.views}
        assert by["epochs"] == [one.epochs for one in scored]
    assert plot.data[0]["x"] == plot.views[0].x[0]
    assert "GPU" not in " ".join(view.title for view in plot.views), "only one of them held GPUs"
    alone = history(two[:1])
    assert alone is not None
    assert "GPU" in " ".join(view.title for view in alone.views)


def test_the_table_says_what_each_cost(two: list[ReportContent]) -> None:
    found = table(two)
    assert found.headings[7:10] == ["epochs", "CPU-hours", "GPU-hours"]
    one = two[0]
    sure, seconds = certainty(one), sum(trial.busy_s or 0.0 for trial in one.trials)
    assert sure is not None
    assert sure.low is not None
    assert sure.high is not None
    assert found.rows[0] == [
        "one", "finished", "kNN top-1", f"{100 * sure.value:.1f}", f"{100 * sure.low:.1f} to {100 * sure.high:.1f}",
        str(sure.trial.number), "30", f"{sum(trial.epoch for trial in one.trials):,}", f"{seconds * 2 / 3600:.2f}",
        f"{seconds * 0.5 / 3600:.2f}", "synthetic", "xsub",
    ]  # fmt: skip
    assert found.rows[1][9] == "0.00"
    assert all(len(row) == len(found.headings) for row in found.rows)
    assert {found.headings[column] for column in found.text} == {"search", "state", "score", "dataset", "protocol"}

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from hico_platform.report import retrain_plots
from hico_platform.report.content import FurtherCell
from hico_platform.report.retrain_curves import curves, other_scores
from tests.unit.report.test_retrain_plots import TABLE

FURTHER = {
    "raw pose": {"semi_unstratified_20_linear_top1": FurtherCell(mean=0.3, deviation=None, seeds=1)},
    "best configuration": {
        "semi_unstratified_20_linear_top1": FurtherCell(mean=0.6, deviation=0.1, seeds=3, low=0.5, high=0.8),
        "semi_unstratified_1_linear_top1": FurtherCell(mean=0.2, deviation=0.1, seeds=3, low=0.1, high=0.25),
        "occlusion_clean_knn_top1": FurtherCell(mean=0.7, deviation=None, seeds=3),
        "occlusion_parts_1_knn_top1": FurtherCell(mean=0.5, deviation=None, seeds=3),
        "occlusion_clean_linear_top1": FurtherCell(mean=0.8, deviation=None, seeds=3),
        "finetune_cmd_top1": FurtherCell(mean=0.9, deviation=0.01, seeds=3, low=0.85, high=0.95),
    },
}
SCORED = dataclasses.replace(TABLE, further=FURTHER)


def test_each_panel_is_a_plot_with_a_line_for_each_entry_and_method() -> None:
    semi, parts, frames = curves(SCORED, prefix="p-")
    assert [plot.name for plot in (semi, parts, frames)] == ["p-semi0", "p-occlusion0", "p-occlusion1"]
    poses, best = semi.data
    assert (poses["name"], poses["x"], poses["y"]) == ("raw pose, linear probe", ["20"], [30.0])
    assert (best["x"], best["y"]) == (["1", "20"], [20.0, 60.0])
    assert (best["error_y"]["arrayminus"], best["error_y"]["array"]) == ([10.0, 10.0], [5.0, 20.0])
    assert semi.layout["xaxis"]["categoryarray"] == ["1", "20"]
    assert semi.table is not None
    assert semi.table.headings == ["", "1 % of labels, %", "20 % of labels, %"]
    assert semi.table.rows == [
        ["raw pose, linear probe", "", "30.0"],
        ["best configuration, linear probe", "20.0\n10.0 to 25.0", "60.0\n50.0 to 80.0"],
    ]
    assert [(trace["name"], trace["x"]) for trace in parts.data] == [
        ("best configuration, 1-NN", ["0", "1"]), ("best configuration, linear probe", ["0"]),
    ]  # fmt: skip
    assert len({trace["line"]["dash"] for trace in parts.data}) == 2, "methods are told apart"
    assert {trace["line"]["color"] for trace in parts.data} == {best["line"]["color"]}, "entries have a colour"
    assert best["line"]["color"] != poses["line"]["color"]
    assert parts.table is not None
    assert parts.table.headings == ["", "nothing missing, %", "parts: 1, %"]


def test_what_is_no_curve_is_a_table() -> None:
    found = other_scores(SCORED)
    assert found is not None
    assert found.headings == ["score, %", "raw pose", "best configuration"]
    assert found.rows == [["finetune cmd top1", "", "90.0 ± 1.0\n85.0 to 95.0"]]


def test_older_results_have_neither_and_keep_their_pictures() -> None:
    assert curves(TABLE) == []
    assert other_scores(TABLE) is None
    figures = ["/x/semi_supervised.png", "/x/retrieval.png"]
    assert retrain_plots.pictures(dataclasses.replace(TABLE, figures=figures)) == figures
    assert retrain_plots.pictures(dataclasses.replace(SCORED, figures=figures)) == ["/x/retrieval.png"]


@pytest.mark.slow
def test_pages_that_read_results_do_without_torch() -> None:
    code = "import sys, hico_platform.report.retrain_curves; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

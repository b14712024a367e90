from __future__ import annotations

from hico_platform.report.search_plots.rung_flow import rung_flow
from tests.unit.report.search_plots.small_search import CONTENT, CURVES


def test_the_flow_has_every_trial() -> None:
    plot = rung_flow(CONTENT)
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

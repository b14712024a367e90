from __future__ import annotations

import dataclasses

from hico_platform.report.content import Importance
from hico_platform.report.search_plots.importance import importance
from tests.unit.report.search_plots.small_search import CONTENT


def test_importance_is_in_percent_with_intervals_within_0_and_100() -> None:
    named = Importance(
        shares={"contrast.temperature": 0.7, "model.encoder": 0.3},
        epoch=1,
        trials=4,
        errors={"contrast.temperature": 0.05, "model.encoder": 0.2},
        draws=50,
    )
    plot = importance(dataclasses.replace(CONTENT, named_importance=named))
    assert plot is not None
    (bars,) = plot.data
    assert (bars["x"], bars["y"]) == ([30.0, 70.0], ["encoder", "temperature"])
    assert bars["error_x"]["array"] == [39.2, 9.8]
    assert bars["error_x"]["arrayminus"] == [30.0, 9.8]
    assert plot.table is not None
    assert plot.table.rows[0] == ["contrast.temperature", "70.0", "60.2 to 79.8"]

from __future__ import annotations

import dataclasses

import pytest

from hico_platform.report.search_plots.cost import cost, cost_table, machine_table
from tests.unit.report.search_plots.small_search import CONTENT, traces


def test_seconds_of_training_and_of_downstream_evaluation_add_up() -> None:
    shown = traces(cost(CONTENT))
    total = [sum(both) for both in zip(shown["training and validation"]["y"],
                                       shown["downstream evaluation"]["y"], strict=True)]  # fmt: skip
    assert total == [95.0, 15.0, 5.0, 95.0]
    assert shown["downstream evaluation"]["y"] == [5.0, 5.0, 0.0, 5.0]
    table = cost_table(CONTENT)
    assert table.rows[-1][:3] == ["all", "4", "19"]
    assert float(table.rows[-1][3]) == pytest.approx(210 / 3600, abs=0.005)


def test_each_machine_has_its_own_cost() -> None:
    assert machine_table(CONTENT) is None
    trials = [
        dataclasses.replace(one, machine=("node-1", "node-2", "node-1", None, None)[one.number])
        for one in CONTENT.trials
    ]
    table = machine_table(dataclasses.replace(CONTENT, trials=trials))
    assert table is not None
    assert [row[:3] for row in table.rows] == [["node-1", "2", "9"], ["node-2", "1", "1"], ["not known", "1", "9"]]

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hico_platform.report.search_plots.parallel import parallel
from tests.unit.report.search_plots.small_search import CONTENT


def test_parallel_axes_place_each_value() -> None:
    plot = parallel(CONTENT)
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
    plot = parallel(dataclasses.replace(CONTENT, trials=trials))
    assert plot is not None
    (axis,) = [one for one in plot.data["axes"] if one["label"] == "dropout"]
    assert axis["at"][0] is None
    assert None not in axis["at"][1:]

from __future__ import annotations

import dataclasses

import pytest

from hico_platform.report.search_plots.weights import weights
from tests.reported import many_trials
from tests.unit.report.search_plots.small_search import CONTENT


def test_four_weights_are_four_faces_with_the_weights_themselves() -> None:
    content = many_trials(40)
    plots = weights(content)
    assert len(plots) == 4
    (trace,) = plots[0].data
    scored = sorted((one for one in content.trials if one.value is not None), key=lambda one: one.value or 0.0)
    assert trace["a"] == pytest.approx([trial.values["contrast.level_weights.clip"] for trial in scored], abs=1e-4)
    assert trace["marker"]["color"] == pytest.approx([100 * trial.value for trial in scored], abs=1e-3)


@pytest.mark.parametrize(("count", "plots", "kind"), [(2, 1, "scatter"), (3, 1, "scatterternary"), (5, 10, "scatter")])
def test_other_numbers_of_weights(count: int, plots: int, kind: str) -> None:
    fields = [f"w.{number}" for number in range(count)]
    trials = [dataclasses.replace(one, values=dict.fromkeys(fields, 1 / count)) for one in CONTENT.trials]
    found = weights(dataclasses.replace(CONTENT, trials=trials, simplexes={"w": fields}))
    assert [plot.data[0]["type"] for plot in found] == [kind] * plots

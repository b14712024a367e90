from __future__ import annotations

import dataclasses

from hico_platform.report.content import Importance
from hico_platform.report.search_plots.parallel import parallel
from hico_platform.report.search_plots.slices import slices
from tests.unit.report.search_plots.small_search import CONTENT, traces


def test_slices_are_the_last_scores_the_most_important_first() -> None:
    named = Importance(shares={"contrast.temperature": 0.3, "model.encoder": 0.7}, epoch=1, trials=4)
    encoder, temperature = slices(dataclasses.replace(CONTENT, named_importance=named))
    assert (encoder.sentence, temperature.sentence) == ("model.encoder", "contrast.temperature")
    shown = traces(temperature)
    assert shown["complete"]["x"] == [0.1, 0.4]
    assert shown["complete"]["y"] == [50.0, 58.0]
    assert shown["stopped or not yet done"]["y"] == [20.0, 52.0]
    assert temperature.layout["xaxis"]["type"] == "log"


def test_parameters_that_did_not_vary_are_left_out() -> None:
    alike = [dataclasses.replace(one, values={"model.encoder": "gru"}) for one in CONTENT.trials]
    content = dataclasses.replace(CONTENT, trials=alike)
    assert (parallel(content), slices(content)) == (None, [])

"""The view by which MLflow's pages open a search: a tag that they read as the state of a page."""

from __future__ import annotations

import base64
import json
import zlib

from hico_platform.tracking.metric_names import MetricNames
from hico_platform.tracking.search_view import view_state, view_tag
from tests.toy import toy_space

SPACE = toy_space()


def test_trials_come_first_by_their_score_with_their_settings() -> None:
    state = view_state(SPACE, names=MetricNames())
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`val/knn_top1`", False)
    assert state["searchFilter"] == "tags.`hico.kind` = 'trial'"
    assert state["selectedColumns"][:4] == [
        "metrics.`val/knn_top1`",
        "tags.`hico.state`",
        "params.`contrast.temperature`",
        "params.`model.encoder`",
    ]


def test_every_chart_is_in_a_section_and_has_an_id_of_its_own() -> None:
    for names in (MetricNames(), MetricNames(are_grouped=False)):
        state = view_state(SPACE, names=names)
        sections = {section["uuid"] for section in state["compareRunSections"]}
        cards = state["compareRunCharts"]
        assert {card["metricSectionId"] for card in cards} == sections
        assert len({card["uuid"] for card in cards}) == len(cards)
    assert cards[0]["selectedMetrics"] == ["knn_top1"], "as an earlier version named it"


def test_only_numbers_are_on_an_axis() -> None:
    shown = [
        card["xaxis"]["key"] for card in view_state(SPACE, names=MetricNames())["compareRunCharts"] if "xaxis" in card
    ]
    assert shown == ["contrast.temperature"]


def test_the_tag_fits_and_is_what_mlflow_inflates() -> None:
    tag = view_tag(SPACE, names=MetricNames(), at_s=1.5)
    assert len(tag) < 5000
    shown = json.loads(tag)
    assert (shown["name"], shown["createdAt"]) == ("Trials, best first", 1500), "MLflow lists it under Views"
    kind, _, text = shown["state"].partition(";")
    assert kind == "deflate"
    assert json.loads(zlib.decompress(base64.b64decode(text))) == view_state(SPACE, names=MetricNames())

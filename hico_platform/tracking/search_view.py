"""How MLflow's pages show a search when it is opened: its trials, the best first, with columns and charts that say more
than MLflow's own choice.

MLflow keeps a saved view as a tag of the experiment, lists it by its name and finds it by the key in an address. The
content of the tag is the state of its page: filter and order, columns, and cards of charts in sections.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from hico_platform.config.parameters import Range
from hico_platform.config.space import CheckedSpace
from hico_platform.tracking.metric_names import TRAIN, TRANSFER, VALIDATION, MetricNames

VIEW_KEY = "hico"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_KEY}"
VIEW_NAME = "Trials, best first"

_COMPRESSED = "deflate;"
_MOST_PARAMETERS = 9
"""More columns of settings than this do not fit on a screen."""


def view_tag(space: CheckedSpace, *, names: MetricNames, at_s: float) -> str:
    """The value of ``VIEW_TAG`` for a search that began at ``at_s`` (Unix time)."""
    text = json.dumps(view_state(space, names=names), separators=(",", ":"))
    state = _COMPRESSED + base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return json.dumps({"name": VIEW_NAME, "createdAt": round(at_s * 1000), "state": state})


def view_state(space: CheckedSpace, *, names: MetricNames) -> dict[str, Any]:
    """The state of MLflow's page of the search."""
    signal = space.settings.signal.metric
    metric, loss = _of(names, signal), _of(names, "loss")
    searched = [parameter for parameter in space.parameters if parameter.coordinates()]
    settings = [field for parameter in searched for field in parameter.fields][:_MOST_PARAMETERS]
    further = [_of(names, name) for name in ("recognition_top1", "retrieval_map", "transfer_top1")]
    sections = [_section("search", "Settings against the score")]
    sections += [_section(name, name) for name in (VALIDATION, TRAIN, TRANSFER) if names.are_grouped]
    validation, training, transfer = (
        (VALIDATION, TRAIN, TRANSFER) if names.are_grouped else ("search", "search", "search")
    )
    cards = [
        _card("PARALLEL", "parallel", "search", selectedParams=settings, selectedMetrics=[metric], showAllRuns=True),
        *(
            _card(
                "SCATTER",
                f"of-{field}",
                "search",
                displayName=_short(field),
                xaxis=_axis("PARAM", field),
                yaxis=_axis("METRIC", metric),
            )
            for field in _numbers(space)[:4]
        ),
        _line(metric, validation),
        *(_card("BAR", f"bar-{name}", validation, metricKey=name) for name in further[:2]),
        _line(loss, training),
        _card("BAR", "bar-transfer", transfer, metricKey=further[2]),
    ]
    return {
        "searchFilter": "tags.`hico.kind` = 'trial'",
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": [
            f"metrics.`{metric}`",
            "tags.`hico.state`",
            *(f"params.`{field}`" for field in settings),
            *(f"metrics.`{name}`" for name in further),
            "attributes.`Dataset`",
        ],
        "columnWidths": {"attributes.`Dataset`": 160},
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunSections": sections,
        "compareRunCharts": cards,
        "isAccordionReordered": True,
        "autoRefreshEnabled": True,
        "hideEmptyCharts": True,
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
    }


def _short(field: str) -> str:
    """``clip`` of ``contrast.level_weights.clip``, as the terminal has it."""
    return field.rpartition(".")[2]


def _of(names: MetricNames, metric: str) -> str:
    (name,) = names.of_trial({metric: 0.0})
    return name


def _numbers(space: CheckedSpace) -> Sequence[str]:
    """The settings that are numbers on a scale, which a scatter can show."""
    return [
        field
        for parameter in space.parameters
        if all(isinstance(axis, Range) for axis in parameter.coordinates())
        for field in (parameter.fields if parameter.coordinates() else ())
    ]


def _section(key: str, title: str) -> dict[str, Any]:
    return {"uuid": f"{VIEW_KEY}-{key}", "name": title, "display": True, "isReordered": False}


def _card(kind: str, key: str, section: str, **more: object) -> dict[str, Any]:
    return {
        "uuid": f"{VIEW_KEY}-card-{key}",
        "type": kind,
        "metricSectionId": f"{VIEW_KEY}-{section}",
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
        **more,
    }


def _line(metric: str, section: str) -> dict[str, Any]:
    return _card(
        "LINE",
        f"line-{metric}",
        section,
        metricKey=metric,
        selectedMetricKeys=[metric],
        lineSmoothness=0,
        xAxisScaleType="linear",
        scaleType="linear",
        xAxisKey="step",
        selectedXAxisMetricKey="",
        yAxisKey="metric",
        yAxisExpressions=[],
        ignoreOutliers=False,
        useGlobalXaxisKey=True,
        useGlobalLineSmoothing=True,
    )


def _axis(kind: str, key: str) -> dict[str, str]:
    return {"key": key, "type": kind}

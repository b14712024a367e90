"""Metrics, parameters and tags of a run in MLflow's ``log_batch`` requests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hico_platform.tracking.base import Param, Point

# Limits of one log_batch request (MLflow REST API).
METRICS_A_REQUEST, PARAMS_A_REQUEST, TAGS_A_REQUEST = 1000, 100, 100
PARAM_CHARACTERS = 6000


def log_batch(
    client: Any,
    run_id: str,
    *,
    points: Sequence[Point] = (),
    params: Mapping[str, Param] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Logs to a run by ``log_batch``: in one request, or as few as MLflow's limits allow."""
    from mlflow.entities import Metric, RunTag
    from mlflow.entities import Param as MlflowParam

    metrics = [
        Metric(name, value, milliseconds(point.at_s), point.epoch)
        for point in points
        for name, value in point.metrics.items()
        if not math.isinf(value)
    ]
    named = [MlflowParam(name, str(value)[:PARAM_CHARACTERS]) for name, value in (params or {}).items()]
    tagged = [RunTag(name, value) for name, value in (tags or {}).items()]
    requests = max(
        math.ceil(len(metrics) / METRICS_A_REQUEST),
        math.ceil(len(named) / PARAMS_A_REQUEST),
        math.ceil(len(tagged) / TAGS_A_REQUEST),
    )
    for index in range(requests):
        client.log_batch(
            run_id,
            metrics=_slice(metrics, index, METRICS_A_REQUEST),
            params=_slice(named, index, PARAMS_A_REQUEST),
            tags=_slice(tagged, index, TAGS_A_REQUEST),
        )


def milliseconds(at_s: float) -> int:
    """Unix time as MLflow takes it."""
    return round(at_s * 1000)


def _slice(items: list[Any], index: int, size: int) -> list[Any]:
    return items[index * size : (index + 1) * size]

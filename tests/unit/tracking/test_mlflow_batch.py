from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from hico_platform.tracking import mlflow_batch
from hico_platform.tracking.base import Point
from hico_platform.tracking.mlflow_batch import PARAM_CHARACTERS, log_batch


class Client:
    """Keeps what a request carries."""

    def __init__(self) -> None:
        self.requests: list[SimpleNamespace] = []

    def log_batch(self, run_id: str, **parts: Any) -> None:
        self.requests.append(SimpleNamespace(run_id=run_id, **parts))


def test_everything_goes_in_one_request_within_the_limits() -> None:
    client = Client()
    points = [Point(epoch=3, at_s=1.0004, metrics={"loss": 0.5, "endless": math.inf, "missing": math.nan})]
    log_batch(client, "run", points=points, params={"a": 1, "b": None}, tags={"c": "d"})
    (request,) = client.requests
    assert request.run_id == "run"
    loss, missing = request.metrics  # MLflow's databases refuse infinity
    assert (loss.key, loss.value, loss.timestamp, loss.step) == ("loss", 0.5, 1000, 3)
    assert missing.key == "missing"
    assert [(param.key, param.value) for param in request.params] == [("a", "1"), ("b", "None")]
    assert [(tag.key, tag.value) for tag in request.tags] == [("c", "d")]


def test_more_than_a_request_takes_is_split_and_nothing_is_lost(monkeypatch: Any) -> None:
    client = Client()
    monkeypatch.setattr(mlflow_batch, "METRICS_A_REQUEST", 2)
    monkeypatch.setattr(mlflow_batch, "PARAMS_A_REQUEST", 3)
    points = [Point(epoch=epoch, at_s=1.0, metrics={"loss": float(epoch)}) for epoch in range(5)]
    log_batch(client, "run", points=points, params={str(number): "x" * 9999 for number in range(7)})
    assert [len(request.metrics) for request in client.requests] == [2, 2, 1]
    assert [metric.step for request in client.requests for metric in request.metrics] == list(range(5))
    assert [len(request.params) for request in client.requests] == [3, 3, 1]
    assert {len(param.value) for request in client.requests for param in request.params} == {PARAM_CHARACTERS}


def test_nothing_is_no_request() -> None:
    client = Client()
    log_batch(client, "run")
    assert client.requests == []

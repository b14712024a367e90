from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hico_platform.tracking import mlflow_tracker
from hico_platform.tracking.mlflow_tracker import MlflowTracker


class SlowClient:
    """A store in which both threads look for the experiment before either has made it, unless one waits."""

    def __init__(self) -> None:
        self.looked = threading.Barrier(2, timeout=0.3)
        self.created: list[str] = []

    def get_experiment_by_name(self, name: str) -> None:
        try:
            self.looked.wait()
        except threading.BrokenBarrierError:
            return

    def create_experiment(self, name: str, **more: object) -> str:
        if name in self.created:
            raise RuntimeError("RESOURCE_ALREADY_EXISTS")
        self.created.append(name)
        return "1"


def test_a_check_and_the_first_write_open_an_experiment_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = SlowClient()
    monkeypatch.setattr(mlflow_tracker, "open_client", lambda uri: client)
    tracker = MlflowTracker(uri="http://tracking.example", artifacts=None)
    with ThreadPoolExecutor(2) as threads:
        checks = [threads.submit(tracker.check, "toy") for _ in range(2)]
    for check in checks:
        check.result()
    assert client.created == ["toy"]

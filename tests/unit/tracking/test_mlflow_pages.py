from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.tracking.base import mlflow_uri
from hico_platform.tracking.mlflow_pages import is_served, page_addresses, server_command, server_environment
from hico_platform.tracking.mlflow_tracker import MlflowTracker


def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    command = server_command(uri=mlflow_uri(tmp_path), host="127.0.0.1", port=5001)
    assert command[1:4] == ["-m", "mlflow", "server"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "5001"


def test_what_the_user_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_environment()["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "true")
    assert server_environment()["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "true"


def test_addresses_of_the_searches(tmp_path: Path) -> None:
    tracker = MlflowTracker(uri=mlflow_uri(tmp_path), artifacts=tmp_path / "artifacts")
    for name in ("one", "two"):
        tracker.open_run(experiment=name, key=name, name=name, parent=None, params={}, tags={}, at_s=1.0)
    experiments = tracker.experiments()
    assert list(experiments) == ["one", "two"], "MLflow's own Default is no search"
    pages = page_addresses("http://127.0.0.1:5000/", experiments)
    number = experiments["two"]
    assert pages["two"] == f"http://127.0.0.1:5000/#/experiments/{number}/runs?workflowType=machine_learning"
    assert pages["models"].startswith("http://127.0.0.1:5000/#/models")


def test_a_server_has_its_pages_already() -> None:
    assert is_served("http://host:5000")
    assert not is_served("sqlite:////home/me/mlflow.db")

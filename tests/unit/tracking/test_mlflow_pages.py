from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections import OrderedDict
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils

from hico_platform.tracking.base import mlflow_uri
from hico_platform.tracking.mlflow_pages import (
    copy_if_read_only,
    is_served,
    page_addresses,
    server_command,
    server_environment,
)
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.mlflow_store import mlflow_home


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


def contents(folder: Path) -> dict[Path, bytes]:
    """Files with what is in them, but SQLite's note of who reads."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.suffix != ".db-shm"}


@pytest.mark.parametrize("open_elsewhere", [True, False])
def test_a_home_that_may_only_be_read_is_browsed_in_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_elsewhere: bool
) -> None:
    home, there = tmp_path / "home", tmp_path / "there"
    tracker = mlflow_home(home)
    run_id = tracker.open_run(experiment="toy", key="a", name="a", parent=None, params={}, tags={}, at_s=1.0)
    tracker.log_text(run_id, "hello", name="a.txt")
    shutil.copytree(home, there)  # and moved, too
    shutil.rmtree(home)
    monkeypatch.setattr(utils, "_artifact_repos_cache", OrderedDict())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = contents(there)
    connect = sqlite3.connect

    def refuse(database: object, **more: object) -> sqlite3.Connection:
        if "mode=ro" in str(database) and not open_elsewhere:  # SQLite would have to write beside the file
            raise sqlite3.OperationalError("unable to open database file")
        return connect(database, **more)

    with monkeypatch.context() as only_here:
        only_here.setattr(os, "access", lambda *_: False)
        only_here.setattr(sqlite3, "connect", refuse)
        uri = copy_if_read_only(mlflow_uri(there))
    copy = MlflowTracker(uri=uri, artifacts=None)
    assert Path(copy._client.download_artifacts(run_id, "a.txt")).read_text() == "hello"
    assert contents(there) == before


def test_a_home_of_ones_own_is_browsed_itself(tmp_path: Path) -> None:
    mlflow_home(tmp_path)
    assert copy_if_read_only(mlflow_uri(tmp_path)) == mlflow_uri(tmp_path)
    assert copy_if_read_only("http://host:5000") == "http://host:5000"

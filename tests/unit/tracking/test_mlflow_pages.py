from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections import OrderedDict
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils

from hico_platform.home import is_served, mlflow_uri
from hico_platform.tracking.mlflow_app import AccessPolicy
from hico_platform.tracking.mlflow_pages import copy_if_read_only, page_addresses, server_environment
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.search_view import VIEW_TAG
from tests.mlflow_store import mlflow_home

POLICY = AccessPolicy(names=frozenset({"127.0.0.1"}), port=5001, token="t0ken")


def test_mlflow_learns_of_the_store_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uri = "postgresql://me:s3cret@host/db"
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    seen = server_environment(POLICY, uri=uri, artifacts=tmp_path)
    assert seen["_MLFLOW_SERVER_FILE_STORE"] == seen["_MLFLOW_SERVER_REGISTRY_STORE"] == uri
    assert seen["_MLFLOW_SERVER_ARTIFACT_ROOT"] == str(tmp_path)
    assert seen["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert seen["MLFLOW_SERVER_ALLOWED_HOSTS"] == "127.0.0.1:5001"
    assert seen["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:5001"
    assert "t0ken" not in str(seen)


def test_mlflow_s_server_makes_no_folder_of_an_address_with_options() -> None:
    seen = server_environment(POLICY, uri="sqlite:///file:/a/b.db?mode=ro&uri=true", artifacts=None)
    assert seen["_MLFLOW_SERVER_FILE_STORE"] == "sqlite+pysqlite:///file:/a/b.db?mode=ro&uri=true"
    assert seen["_MLFLOW_SERVER_REGISTRY_STORE"] == seen["_MLFLOW_SERVER_FILE_STORE"]


def test_jobs_stay_off_and_telemetry_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    seen = server_environment(POLICY, uri="sqlite:///a.db", artifacts=None)
    assert seen["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "MLFLOW_DISABLE_TELEMETRY" not in seen


@pytest.mark.slow
def test_addresses_of_the_searches(tmp_path: Path) -> None:
    tracker = MlflowTracker(uri=mlflow_uri(tmp_path), artifacts=tmp_path / "artifacts")
    for name in ("one", "two"):
        tracker.open_run(experiment=name, key=name, name=name, parent=None, params={}, tags={}, at_s=1.0)
    tracker.set_experiment_tags("one", {VIEW_TAG: "{}"})
    experiments = tracker.experiments()
    assert list(experiments) == ["one", "two"], "MLflow's own Default is no search"
    pages = page_addresses("http://127.0.0.1:5000/", experiments)
    number = experiments["two"].number
    assert pages["one"].endswith("/runs?workflowType=machine_learning&viewStateShareKey=hico"), "it has a view"
    assert pages["two"] == f"http://127.0.0.1:5000/#/experiments/{number}/runs?workflowType=machine_learning"
    assert pages["models"].startswith("http://127.0.0.1:5000/#/models")
    with_token = page_addresses("http://127.0.0.1:5000", experiments, token="t0ken")
    assert with_token["two"].startswith(f"http://127.0.0.1:5000/?token=t0ken#/experiments/{number}/runs?")


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

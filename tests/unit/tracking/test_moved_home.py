from __future__ import annotations

import shutil
import sqlite3
import sys
from collections import OrderedDict
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils

from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.moved_home import follow_moved_home
from tests.exported import small_export
from tests.mlflow_store import mlflow_home, tracker_of

# Each registers a model in a home of its own.
pytestmark = pytest.mark.slow

LOCATIONS = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "model_versions": ["source", "storage_location"],
    "logged_models": ["artifact_location"],
    "trace_tags": ["value"],
}
LOADER = """
def _load_pyfunc(path):
    class Model:
        def predict(self, data, params=None):
            return open(path + "/weights").read()
    return Model()
"""


def fill(home: Path, name: str = "toy") -> str:
    """A run with artifacts and a registered model; its id."""
    tracker = tracker_of(home)
    run_id = tracker.open_run(experiment=name, key="toy@1", name="toy", parent=None, params={}, tags={}, at_s=1.0)
    tracker.log_text(run_id, "hello", name="a.txt")
    model = home.parent / "model"
    if not model.exists():
        small_export(model)
    (model / "weights").write_text("weights of the original")
    loader = home.parent / "loader_of_test.py"
    loader.write_text(LOADER)
    sys.path.insert(0, str(home.parent))
    try:
        tracker.register_champion(name, run_id=run_id, model=model, loader="loader_of_test", description="", tags={})
    finally:
        sys.path.remove(str(home.parent))
    return run_id


def locations(home: Path) -> set[str]:
    """Every text of MLflow's database that names a folder of artifacts, by table and column."""
    found = set()
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = store.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in rows.description]
            for row in rows:
                found |= {f"{table}.{n}: {v}" for n, v in zip(names, row, strict=True) if "mlartifacts" in str(v)}
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "a home" / "100%"
    mlflow_home(home)
    fill(home)
    return home


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "moved"])
def test_a_home_taken_elsewhere_reads_and_writes_its_own_artifacts_alone(
    home: Path, tmp_path: Path, copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    if copied:
        shutil.copytree(home, there)
        for file in home.rglob("weights"):
            file.write_text("changed in the original")
    else:
        shutil.move(home, there)
    before = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}

    monkeypatch.setattr(utils, "_artifact_repos_cache", OrderedDict())  # as in another process
    tracker = tracker_of(there)
    assert set(tracker.runs("toy")) == {"toy@1"}
    named = locations(there)
    assert {where.partition(": ")[0] for where in named} == {
        "experiments.artifact_location",
        "runs.artifact_uri",
        "model_versions.source",
        "model_versions.storage_location",
    }
    root = (there / "mlartifacts").as_uri()
    assert all(where.partition(": ")[2].startswith(root) for where in named)

    client = tracker._client
    run_id = tracker.runs("toy")["toy@1"].run_id
    assert Path(client.download_artifacts(run_id, "a.txt")).read_text() == "hello"
    tracker.log_text(run_id, "new", name="b.txt")
    second = tracker.open_run(experiment="toy", key="toy@2", name="toy", parent=None, params={}, tags={}, at_s=1.0)
    tracker.log_text(second, "new", name="c.txt")
    assert len(list((there / "mlartifacts").rglob("[bc].txt"))) == 2

    from mlflow import pyfunc

    version = client.get_model_version_by_alias("toy", "champion")
    monkeypatch.syspath_prepend(str(home.parent))
    assert pyfunc.load_model(client.get_model_version_download_uri("toy", version.version)).predict([]) == (
        "weights of the original"
    )
    assert {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} == before
    assert home.exists() is copied


def test_the_original_keeps_its_own(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "there")
    tracker_of(tmp_path / "there").runs("toy")
    before = locations(home)
    tracker_of(home).runs("toy")
    assert locations(home) == before


def test_every_column_that_holds_a_location_follows(home: Path, tmp_path: Path) -> None:
    uri = (home / "mlartifacts").as_uri()
    with closing(sqlite3.connect(home / "mlflow.db")) as store, store:
        (experiment,) = store.execute("SELECT experiment_id FROM experiments WHERE name = 'toy'").fetchone()
        store.execute(
            "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms, "
            "last_updated_timestamp_ms, status, lifecycle_stage) VALUES ('m', ?, 'm', ?, 0, 0, 0, 'active')",
            (experiment, f"{uri}/toy/models/m"),
        )
        store.execute(
            "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) VALUES ('t', ?, 0, 'OK')",
            (experiment,),
        )
        store.executemany(
            "INSERT INTO trace_tags (request_id, key, value) VALUES ('t', ?, ?)",
            [("mlflow.artifactLocation", f"{uri}/toy/traces/t"), ("note", f"{uri}/toy is mine")],
        )
    shutil.move(home, tmp_path / "there")
    there = (tmp_path / "there" / "mlartifacts").as_uri()
    assert follow_moved_home(tmp_path / "there" / "mlflow.db") == (uri,)
    named = locations(tmp_path / "there")
    assert {where for where in named if there not in where} == {f"trace_tags.value: {uri}/toy is mine"}
    tables = {table: {w for w in named if w.startswith(f"{table}.") and there in w} for table in LOCATIONS}
    assert all(tables.values()), tables
    assert follow_moved_home(tmp_path / "there" / "mlflow.db") == ()


def test_locations_that_are_not_of_a_home_stay(home: Path, tmp_path: Path) -> None:
    elsewhere = {
        "s3": "s3://bucket/mlartifacts/s3",
        "mine": (tmp_path / "mine").as_uri(),
        "other": (tmp_path / "gone" / "mlartifacts" / "another name").as_uri(),
        "served": "mlflow-artifacts:/7",
    }
    client = tracker_of(home)._client
    for name, location in elsewhere.items():
        client.create_experiment(name, artifact_location=location)
    shutil.move(home, tmp_path / "there")
    client = tracker_of(tmp_path / "there")._client
    assert {name: client.get_experiment_by_name(name).artifact_location for name in elsewhere} == elsewhere


def test_a_database_without_its_artifacts_leaves_them_where_they_are(home: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    shutil.copy(home / "mlflow.db", tmp_path / "there" / "mlflow.db")
    assert follow_moved_home(tmp_path / "there" / "mlflow.db") == ()


def test_another_name_of_the_same_folder_is_no_other_home(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    assert follow_moved_home(tmp_path / "link" / "mlflow.db") == ()


def test_a_home_taken_elsewhere_twice_follows_both_times(home: Path, tmp_path: Path) -> None:
    second, third = tmp_path / "second", tmp_path / "third"
    shutil.move(home, second)
    fill(second, name="later")
    shutil.move(second, third)
    root = (third / "mlartifacts").as_uri()
    tracker_of(third).runs("toy")
    named = locations(third)
    assert len(named) == 8
    assert all(where.partition(": ")[2].startswith(root) for where in named)


def test_a_search_of_another_home_on_this_store_is_left_alone(home: Path, tmp_path: Path) -> None:
    other = MlflowTracker(uri=f"sqlite:///{home / 'mlflow.db'}", artifacts=tmp_path / "other" / "mlartifacts")
    run_id = other.open_run(experiment="theirs", key="a", name="a", parent=None, params={}, tags={}, at_s=1.0)
    other.log_text(run_id, "theirs", name="a.txt")
    tracker = tracker_of(home)
    assert Path(tracker._client.download_artifacts(run_id, "a.txt")).read_text() == "theirs"


def test_a_store_of_an_older_schema_is_looked_at(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.execute("CREATE TABLE experiments (name TEXT, artifact_location TEXT)")
        store.execute("INSERT INTO experiments VALUES ('toy', 'file:///gone/mlartifacts/toy')")
    assert follow_moved_home(tmp_path / "mlflow.db") == ("file:///gone/mlartifacts",)
    assert locations(tmp_path) == {f"experiments.artifact_location: {(tmp_path / 'mlartifacts' / 'toy').as_uri()}"}

"""Renaming and deleting the experiment of a search in a real MLflow store: nothing that is registered breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import SearchRecord
from hico_platform.tracking.base import Point, RunStatus, TrackingRefused, TrainedModel
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.search_experiment import (
    artifacts_of,
    check_rename,
    delete_runs,
    experiment_of,
    rename_experiment,
)
from hico_platform.tracking.search_runs import key_of
from tests.toy import FACTS

pytestmark = pytest.mark.slow
SEARCH = SearchRecord(name="toy", source={}, facts=FACTS, limit=5, began_at_s=1.0, key="k" * 32)


class Store:
    def __init__(self, home: Path) -> None:
        self.paths = HomePaths(home=home)
        assert self.paths.artifacts is not None
        self.artifacts = self.paths.artifacts
        self.tracker = MlflowTracker(uri=self.paths.tracking_uri, artifacts=self.artifacts)

    def run(self, key: str, *, parent: str | None = None) -> str:
        run_id = self.tracker.open_run(experiment="toy", key=key, name=key, parent=parent, params={}, tags={}, at_s=1.0)
        self.tracker.log_text(run_id, "content", name="note.txt")
        self.tracker.close_run(run_id, status=RunStatus.FINISHED, points=[], tags={}, at_s=2.0)
        return run_id

    def registered(self, run_id: str, alias: str) -> None:
        with self.tracker.client() as client:
            client.create_registered_model("toy")
            source = f"{client.get_run(run_id).info.artifact_uri}/model"
            client.create_model_version("toy", source, run_id=run_id)
            client.set_registered_model_alias("toy", alias, "1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_rename_moves_runs_and_files_and_keeps_the_model(store: Store) -> None:
    run_id = store.run(key_of(SEARCH, 0))
    final = store.run("toy/final/abc/best-seed-0")
    store.registered(final, "champion")
    for _ in range(2):  # done again it changes nothing more
        rename_experiment(store.tracker, "toy", "bear", artifacts=store.artifacts)
    assert (store.artifacts / "bear" / run_id / "artifacts" / "note.txt").read_text() == "content"
    assert not (store.artifacts / "toy").exists()
    fresh = MlflowTracker(uri=store.paths.tracking_uri, artifacts=store.artifacts)
    assert {run.run_id for run in fresh.runs("bear").values()} == {run_id, final}
    with fresh.client() as client:
        assert client.get_experiment_by_name("toy") is None
        assert client.get_run(run_id).info.artifact_uri == (store.artifacts / "bear" / run_id / "artifacts").as_uri()
        version = client.get_model_version_by_alias("toy", "champion")
        assert version.run_id == final
        assert version.source.startswith((store.artifacts / "bear").as_uri())
        assert client.get_registered_model("toy").tags["hico.search_name_now"] == "bear"
    with pytest.raises(TrackingRefused, match="there is an experiment bear already"):
        check_rename(fresh, "cat", "bear")


def test_a_deletion_marks_runs_and_removes_their_files(store: Store) -> None:
    parent = store.run(key_of(SEARCH))
    runs = [parent, *(store.run(key_of(SEARCH, number), parent=parent) for number in range(3))]
    found = experiment_of(store.tracker, SEARCH)
    assert found is not None
    assert (set(found.runs), found.kept, found.others, found.models) == (set(runs), (), False, ())
    delete_runs(store.tracker, SEARCH, found, artifacts=store.artifacts)
    assert not (store.artifacts / "toy").exists()
    with store.tracker.client() as client:
        assert {client.get_run(run_id).info.lifecycle_stage for run_id in runs} == {"deleted"}
        assert client.get_experiment_by_name("toy") is None
    assert experiment_of(store.tracker, SEARCH) is None
    fresh = MlflowTracker(uri=store.paths.tracking_uri, artifacts=store.artifacts)
    assert fresh.runs("toy") == {}, "a later search of the name begins with nothing"


def test_what_a_model_is_made_of_stays(store: Store) -> None:
    trial = store.run(key_of(SEARCH, 0))
    parent = store.run("toy/final/abc")
    final = store.run("toy/final/abc/best-seed-0", parent=parent)
    other = store.run("somebody's")
    store.registered(final, "champion")
    model = TrainedModel(name="a", points=[Point(epoch=1, at_s=1.0, metrics={"val/knn_top1": 0.5})])
    for run_id in (trial, other):
        store.tracker.log_model(run_id, model)
    found = experiment_of(store.tracker, SEARCH)
    assert found is not None
    assert (found.runs, set(found.kept), found.others) == ((trial,), {parent, final}, True)
    assert [str(model) for model in found.models] == ["models:/toy/1 (champion)"]
    assert found.models[0].is_champion
    delete_runs(store.tracker, SEARCH, found, artifacts=store.artifacts)
    assert {run.run_id for run in store.tracker.runs("toy").values()} == {parent, final, other}
    with store.tracker.client() as client:
        assert [one.source_run_id for one in client.search_logged_models([found.experiment_id])] == [other]
    assert sorted(one.name for one in (store.artifacts / "toy").iterdir()) == sorted([parent, final, other])


@pytest.mark.parametrize("run_id", ["..", "../other/r", "/etc", ".", ""])
def test_no_name_of_a_run_leads_out_of_the_folder_of_its_experiment(tmp_path: Path, run_id: str) -> None:
    """A database of runs that people share holds what any of them writes."""
    assert artifacts_of(tmp_path, "toy", run_id) is None
    assert artifacts_of(tmp_path, "toy", "r") == tmp_path / "toy" / "r"

from __future__ import annotations

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hico_platform.tracking import mlflow_tracker
from hico_platform.tracking.base import Point, TrackingError, TrackingRefused
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.unit.tracking.contract import PARAMS, TrackerContract


class TestMlflowTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, store: MlflowTracker) -> MlflowTracker:
        return store

    def metrics(self, tracker: MlflowTracker, run_id: str) -> dict[str, list[tuple[int, float]]]:
        client = tracker._client
        names = client.get_run(run_id).data.metrics
        return {
            name: sorted((metric.step, metric.value) for metric in client.get_metric_history(run_id, name))
            for name in names
        }

    def params(self, tracker: MlflowTracker, run_id: str) -> dict[str, str]:
        return dict(tracker._client.get_run(run_id).data.params)

    def artifacts(self, tracker: MlflowTracker, run_id: str) -> list[str]:
        return [one.path for one in tracker._client.list_artifacts(run_id)]

    def datasets(self, tracker: MlflowTracker, run_id: str) -> list[str]:
        return sorted(one.dataset.name for one in tracker._client.get_run(run_id).inputs.dataset_inputs)

    def models(self, tracker: MlflowTracker, experiment: str) -> list[tuple[str, str]]:
        found = tracker._client.search_logged_models([tracker._experiment(experiment)])
        linked = [tracker._client.get_run(one.source_run_id).outputs.model_outputs[0].model_id for one in found]
        assert linked == [one.model_id for one in found]
        return [(one.name, one.source_run_id) for one in found]

    def images(self, tracker: MlflowTracker, run_id: str) -> list[str]:
        files = [Path(one.path).name for one in tracker._client.list_artifacts(run_id, "images")]
        return sorted(name.partition("+step+9+")[0].replace("~", "/") for name in files if name.endswith(".png"))

    def experiment_tags(self, tracker: MlflowTracker, experiment: str) -> dict[str, str]:
        return dict(tracker._client.get_experiment_by_name(experiment).tags)

    def aliases(self, tracker: MlflowTracker, name: str) -> dict[str, int]:
        return {alias: int(at) for alias, at in tracker._client.get_registered_model(name).aliases.items()}

    def test_what_people_see(self, tracker: MlflowTracker, experiment: str, tmp_path: Path) -> None:
        parent = self.open(tracker, experiment, key="toy@1")
        child = self.open(tracker, experiment, parent=parent, fresh=True)
        (tmp_path / "epoch-000009").mkdir()
        (tmp_path / "epoch-000009" / "state.json").write_text("{}")
        tracker.log_folder(child, tmp_path / "epoch-000009", name="checkpoint")
        tracker.log_text(child, "Traceback", name="traceback.txt")
        run = tracker._client.get_run(child)
        assert run.data.tags["mlflow.parentRunId"] == parent
        assert run.info.start_time == 1_000_000
        assert run.data.params == {name: str(value) for name, value in PARAMS.items()}
        names = [artifact.path for artifact in tracker._client.list_artifacts(child)]
        assert names == ["checkpoint", "traceback.txt"]
        assert [a.path for a in tracker._client.list_artifacts(child, "checkpoint")] == ["checkpoint/state.json"]

    def test_no_number_can_be_logged(self, tracker: MlflowTracker, experiment: str) -> None:
        run_id = self.open(tracker, experiment)
        tracker.log_points(run_id, [Point(epoch=1, at_s=1.0, metrics={"loss": math.nan, "up": math.inf})])
        assert list(tracker._client.get_run(run_id).data.metrics) == ["loss"]

    def test_what_is_refused_says_so(self, tracker: MlflowTracker, experiment: str) -> None:
        self.open(tracker, experiment)
        with pytest.raises(TrackingRefused, match="not found"):
            tracker.log_points("0" * 32, [Point(epoch=1, at_s=1.0, metrics={"loss": 1.0})])

    def test_an_answer_that_is_lost_makes_no_second_run(
        self, tracker: MlflowTracker, experiment: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create = tracker._client.create_run

        def create_and_lose(*arguments: object, **more: object) -> object:
            create(*arguments, **more)
            raise ConnectionError("the answer is lost")

        monkeypatch.setattr(tracker._client, "create_run", create_and_lose)
        with pytest.raises(TrackingError, match="lost"):
            self.open(tracker, experiment, fresh=True)
        monkeypatch.undo()
        run_id = self.open(tracker, experiment, fresh=True)
        assert [run.run_id for run in tracker.runs(experiment).values()] == [run_id]
        assert self.params(tracker, run_id) == {name: str(value) for name, value in PARAMS.items()}
        found = tracker._client.search_runs([tracker._experiment(experiment)])
        assert [run.info.run_id for run in found] == [run_id]

    def test_a_server_that_is_away_is_told_from_one_that_refuses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        away = MlflowTracker(uri="http://127.0.0.1:9", artifacts=None)
        with pytest.raises(TrackingError, match="MlflowException"):
            away.runs("toy")

    def test_no_telemetry(self, tracker: MlflowTracker) -> None:
        assert tracker.runs("Default") == {}
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


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

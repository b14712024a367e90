"""What the contract of a tracker does not say: what is linked to what in MLflow, also after an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.tracking.base import Point, TrackingError, TrainedModel
from hico_platform.tracking.dataset_inputs import DatasetInput
from hico_platform.tracking.mlflow_models import EXTERNAL_TAG, VERSIONS_TAG
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.notes import NOTE_TAG
from tests.exported import small_export

SCORED_ON = DatasetInput(dataset="toys", protocol="xsub", split="validation", digest="d" * 64)
MODEL = TrainedModel(
    name="toy-0003",
    points=[Point(epoch=9, at_s=2.0, metrics={"val/knn_top1": 0.5})],
    scored_on=SCORED_ON,
    params={"model.layers": 2},
    tags={"hico.trial": "3"},
    note="an encoder",
)


@pytest.fixture
def run_id(store: MlflowTracker, request: pytest.FixtureRequest) -> str:
    name = request.node.name
    return store.open_run(
        experiment=name, key=name, name="r", parent=None, params={}, tags={}, at_s=1.0, datasets=[SCORED_ON]
    )


def test_a_model_has_its_run_settings_scores_and_the_dataset_that_they_are_of(
    store: MlflowTracker, run_id: str
) -> None:
    store.log_model(run_id, MODEL)
    with store.client() as client:
        run = client.get_run(run_id)
        (output,) = run.outputs.model_outputs
        model = client.get_logged_model(output.model_id)
        (dataset,) = [one.dataset for one in run.inputs.dataset_inputs]
    (metric,) = model.metrics
    assert (output.step, str(model.status), model.source_run_id) == (9, "READY", run_id)
    assert (model.name, model.model_type, model.params) == ("toy-0003", "HiCo encoder", {"model.layers": "2"})
    assert (metric.key, metric.value, metric.step, metric.timestamp) == ("val/knn_top1", 0.5, 9, 2000)
    assert (metric.dataset_name, metric.dataset_digest) == (dataset.name, dataset.digest)
    assert model.tags == {EXTERNAL_TAG: "true", NOTE_TAG: "an encoder", "hico.trial": "3"}


def test_a_model_that_was_made_before_the_store_went_away_is_finished_and_no_second_one_made(
    store: MlflowTracker, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*given: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patched, store.client() as client:
        patched.setattr(client, "finalize_logged_model", away)
        with pytest.raises(TrackingError):
            store.log_model(run_id, MODEL)
    for _ in range(2):
        store.log_model(run_id, MODEL)
    with store.client() as client:
        run = client.get_run(run_id)
        (model,) = client.search_logged_models([run.info.experiment_id])
        assert [one.model_id for one in run.outputs.model_outputs] == [model.model_id]
        assert len(client.get_metric_history(run_id, "val/knn_top1")) == 1


@pytest.mark.slow
def test_a_registered_model_is_named_on_the_one_that_its_run_has(
    store: MlflowTracker, run_id: str, tmp_path: Path
) -> None:
    small_export(tmp_path / "model")
    store.log_model(run_id, MODEL)
    for _ in range(2):
        store.register_champion(
            "linked", run_id=run_id, model=tmp_path / "model", loader="hico_platform.export", description="", tags={}
        )
    with store.client() as client:
        (output,) = client.get_run(run_id).outputs.model_outputs
        tags = client.get_logged_model(output.model_id).tags
    assert json.loads(tags[VERSIONS_TAG]) == [{"name": "linked", "version": "1"}]

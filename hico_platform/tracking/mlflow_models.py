"""Logged models and images in MLflow: entities of their own, linked to the runs that made them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from hico_platform.tracking.base import TrainedModel
from hico_platform.tracking.dataset_inputs import DIGEST_CHARACTERS
from hico_platform.tracking.mlflow_batch import PARAM_CHARACTERS, milliseconds
from hico_platform.tracking.notes import NOTE_TAG

MODEL_TYPE = "HiCo encoder"
VERSIONS_TAG = "mlflow.modelVersions"
"""By which the page of a logged model names its registered versions."""
EXTERNAL_TAG = "mlflow.model.isExternal"
"""Says that the model's files lie elsewhere: as artifacts of its run."""

_IMAGES = "images"
_BETWEEN = "+step+"
"""Between an image's name and the rest, in the file's name that MLflow gives it."""


def log_model(client: Any, run_id: str, model: TrainedModel) -> str:
    """Logs a model with its scores and links it to its run; a run has one. Returns the model's id."""
    from mlflow.entities import LoggedModelOutput, Metric

    run = client.get_run(run_id)
    linked = model_of(run)
    found = linked or _unlinked(client, run) or _made(client, run, model)
    scored = model.scored_on
    dataset = (
        {} if scored is None else {"dataset_name": scored.name, "dataset_digest": scored.digest[:DIGEST_CHARACTERS]}
    )
    client.log_batch(
        run_id,
        metrics=[
            Metric(name, value, milliseconds(point.at_s), point.epoch, model_id=found, run_id=run_id, **dataset)
            for point in model.points
            for name, value in point.metrics.items()
            if math.isfinite(value)
        ],
    )
    client.finalize_logged_model(found, "READY")
    if linked is None:  # last: what is linked is whole
        client.log_outputs(run_id, [LoggedModelOutput(found, step=model.epoch)])
    return found


def model_of(run: Any) -> str | None:
    """The id of the model that is linked to a run, if there is one."""
    outputs = run.outputs.model_outputs if run.outputs else []
    return str(outputs[0].model_id) if outputs else None


def name_version(client: Any, run_id: str, *, name: str, version: int) -> None:
    """Says on a run's model, if there is one, under which name and version it is registered."""
    found = model_of(client.get_run(run_id))
    if found is not None:
        client.set_logged_model_tags(found, {VERSIONS_TAG: json.dumps([{"name": name, "version": str(version)}])})


def delete_models(client: Any, experiment_id: str, runs: Collection[str]) -> None:
    """Marks the models of these runs as deleted."""
    own, token = set(runs), None
    while True:
        page = client.search_logged_models([experiment_id], max_results=50, page_token=token)
        for model in page:
            if model.source_run_id in own:
                client.delete_logged_model(model.model_id)
        token = page.token
        if not token:
            return


def log_image(client: Any, run_id: str, file: Path, *, name: str, epoch: int) -> None:
    """Logs a picture for the charts of a run's page, unless it has one of that name."""
    import mlflow

    there = {Path(one.path).name.partition(_BETWEEN)[0] for one in client.list_artifacts(run_id, _IMAGES)}
    if name.replace("/", "~") not in there:
        client.log_image(run_id, mlflow.Image(str(file)), key=name, step=epoch)


def _unlinked(client: Any, run: Any) -> str | None:
    """A model of the run that was made before the link to it was lost."""
    found = client.search_logged_models(
        [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'", max_results=1
    )
    return str(found[0].model_id) if found else None


def _made(client: Any, run: Any, model: TrainedModel) -> str:
    made = client.create_logged_model(
        run.info.experiment_id,
        name=model.name,
        source_run_id=run.info.run_id,
        model_type=MODEL_TYPE,
        params={name: str(value)[:PARAM_CHARACTERS] for name, value in model.params.items()},
        tags={EXTERNAL_TAG: "true", NOTE_TAG: model.note, **model.tags},
    )
    return str(made.model_id)

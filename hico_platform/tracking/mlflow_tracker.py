"""MLflow as the tracking store: SQLite and a folder of artifacts under the home, or a server by address."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hico_platform.masking import masked
from hico_platform.sqlite_files import sqlite_file, without_new_folder
from hico_platform.tracking.base import (
    CHALLENGER,
    CHAMPION,
    KEY_TAG,
    PARENT_TAG,
    Param,
    Point,
    Registered,
    Run,
    RunStatus,
    Tracker,
    TrainedModel,
    alias_for,
)
from hico_platform.tracking.dataset_inputs import DatasetInput, as_mlflow
from hico_platform.tracking.mlflow_batch import log_batch, milliseconds
from hico_platform.tracking.mlflow_client import open_client, tracker_errors
from hico_platform.tracking.mlflow_models import log_image, log_model, name_version
from hico_platform.tracking.model_package import CODE_TAG, write_model_package
from hico_platform.tracking.notes import NOTE_TAG, note_tags
from hico_platform.tracking.search_view import VIEW_TAG

EXPERIMENT_KIND_TAG, EXPERIMENT_KIND = "mlflow.experimentKind", "custom_model_development"
"""Lets the user interface open an experiment as model training, not as an application of language models."""

TRAINING = "?workflowType=machine_learning"
"""Part of the address of a page, because MLflow otherwise shows it as one of a language-model application."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A search's experiment: its id, and whether it has a view to be opened with."""

    number: str
    has_view: bool = False


class MlflowTracker(Tracker):
    """Runs and models in MLflow.

    Args:
        uri: the tracking store, such as ``sqlite:////home/me/.hico/mlflow.db`` or ``http://host:5000``.
        artifacts: the folder of artifacts; a server has its own.
        doubts_all: looks first for each run, also for one that is promised to be new: an earlier process may have made
            it and not said so.

    The first use of a new SQLite store takes some seconds: MLflow builds its schema.
    """

    def __init__(self, *, uri: str, artifacts: Path | None, doubts_all: bool = False) -> None:
        self._uri = without_new_folder(uri)
        self._doubts_all = doubts_all
        self._artifacts = artifacts
        self._experiments: dict[str, str] = {}
        self._doubtful: set[str] = set()
        self._opening = threading.Lock()
        self._opening_experiment = threading.Lock()
        self._opened: Any = None

    @property
    def address(self) -> str:
        """The tracking store's URI, without its password."""
        return masked(self._uri)

    @property
    def uri(self) -> str:
        """The tracking store's URI as MLflow takes it, password included."""
        return self._uri

    @contextmanager
    def client(self) -> Iterator[Any]:
        """MLflow's client for what a tracker has no method for; its errors come out as a tracker's."""
        with tracker_errors():
            yield self._client

    def check(self, experiment: str) -> None:
        """Opens the experiment. A SQLite file that is yet to be made will take what is written, and is left to it."""
        file = sqlite_file(self._uri)
        if file is not None and not file.exists() and _can_be_made(file):
            return
        with tracker_errors():
            self._experiment(experiment)

    def experiments(self) -> Mapping[str, Experiment]:
        """Each search's experiment, by name."""
        with tracker_errors():
            found = self._client.search_experiments(filter_string=f"tags.`{EXPERIMENT_KIND_TAG}` = '{EXPERIMENT_KIND}'")
            return {
                str(one.name): Experiment(number=str(one.experiment_id), has_view=VIEW_TAG in one.tags)
                for one in reversed(found)
            }

    def runs(self, experiment: str) -> Mapping[str, Run]:
        """The runs of an experiment by key."""
        with tracker_errors():
            found: dict[str, Run] = {}
            token: str | None = None
            while True:
                page = self._client.search_runs(
                    [self._experiment(experiment)], filter_string="", max_results=1000, page_token=token
                )
                for run in page:
                    tags = dict(run.data.tags)
                    if KEY_TAG in tags:
                        found[tags[KEY_TAG]] = _run(run)
                token = page.token
                if not token:
                    return found

    def open_run(
        self,
        *,
        experiment: str,
        key: str,
        name: str,
        parent: str | None,
        params: Mapping[str, Param],
        tags: Mapping[str, str],
        at_s: float,
        fresh: bool = False,
        note: str | None = None,
        datasets: Sequence[DatasetInput] = (),
    ) -> str:
        """The run ``key``, begun or taken up again."""
        with tracker_errors():
            tags = tags if parent is None else {**tags, PARENT_TAG: parent}
            looks = not fresh or self._doubts_all or key in self._doubtful
            known = self._find(experiment, key) if looks else None
            if note is not None:
                tags = {**tags, **note_tags(note, {} if known is None else dict(known.data.tags))}
            if known is None:
                self._doubtful.add(key)  # until the store has answered
                more = {KEY_TAG: key}
                run = self._client.create_run(
                    self._experiment(experiment),
                    start_time=milliseconds(at_s),
                    run_name=name,
                    tags={**tags, **more},
                )
                run_id = str(run.info.run_id)
            else:
                run_id = str(known.info.run_id)
                if known.info.status != RunStatus.RUNNING:
                    self._client.update_run(run_id, status=str(RunStatus.RUNNING))
                # MLflow lets no parameter change: a resumed run keeps its first ones.
                params = {name: value for name, value in params.items() if name not in known.data.params}
                log_batch(self._client, run_id, tags=tags)
            log_batch(self._client, run_id, params=params)
            if datasets and (known is None or not known.inputs.dataset_inputs):
                self._client.log_inputs(run_id, datasets=[as_mlflow(one) for one in datasets])
            self._doubtful.discard(key)
            return run_id

    def run(self, run_id: str) -> Run:
        """A run by its id."""
        with tracker_errors():
            return _run(self._client.get_run(run_id))

    def page(self, experiment: str, run_id: str) -> str:
        """The part of the address behind the server's."""
        with tracker_errors():
            return f"#/experiments/{self._experiment(experiment)}/runs/{run_id}{TRAINING}"

    def set_experiment_tags(self, experiment: str, tags: Mapping[str, str]) -> None:
        """Adds or changes tags, each by a request; reads first what there is, and keeps a description."""
        with tracker_errors():
            number = self._experiment(experiment)
            known = self._client.get_experiment(number).tags
            for name, value in tags.items():
                if known.get(name) != value and not (name == NOTE_TAG and known.get(name)):
                    self._client.set_experiment_tag(number, name, value)

    def log_points(self, run_id: str, points: Sequence[Point], *, tags: Mapping[str, str] | None = None) -> None:
        """Adds metrics of one or more epochs by ``log_batch``."""
        with tracker_errors():
            log_batch(self._client, run_id, points=points, tags=tags)

    def log_folder(self, run_id: str, folder: Path, *, name: str) -> None:
        """Copies a file or a folder into the run's artifacts."""
        with tracker_errors():
            if folder.is_dir():
                self._client.log_artifacts(run_id, str(folder), artifact_path=name)
            else:
                self._client.log_artifact(run_id, str(folder), artifact_path=name)

    def remove_artifact(self, run_id: str, *, name: str) -> None:
        """Removes a file or a folder of the run's artifacts, wherever the store keeps them."""
        with tracker_errors():
            if any(one.path == name for one in self._client.list_artifacts(run_id)):
                from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

                place = self._client.get_run(run_id).info.artifact_uri
                get_artifact_repository(place, tracking_uri=self._uri).delete_artifacts(name)

    def log_text(self, run_id: str, text: str, *, name: str) -> None:
        """Keeps a text as an artifact."""
        with tracker_errors():
            self._client.log_text(run_id, text, name)

    def log_image(self, run_id: str, file: Path, *, name: str, epoch: int) -> None:
        """Shows a picture among the charts of a run."""
        with tracker_errors():
            log_image(self._client, run_id, file, name=name, epoch=epoch)

    def log_model(self, run_id: str, model: TrainedModel) -> None:
        """Lists a model as one of MLflow's logged models; its files are those of the run."""
        with tracker_errors():
            log_model(self._client, run_id, model)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Adds or changes tags."""
        with tracker_errors():
            log_batch(self._client, run_id, tags=tags)

    def close_run(
        self, run_id: str, *, status: RunStatus, points: Sequence[Point], tags: Mapping[str, str], at_s: float
    ) -> None:
        """Adds last metrics and tags, and ends the run."""
        with tracker_errors():
            log_batch(self._client, run_id, points=points, tags=tags)
            self._client.set_terminated(run_id, status=str(status), end_time=milliseconds(at_s))

    def alias_of(self, name: str, run_id: str) -> str | None:
        """The alias of the run's version, the latest if there are several."""
        with tracker_errors():
            known = self._client.search_model_versions(f"name = {_quoted(name)} and run_id = '{run_id}'")
            if not known:
                return None
            latest = str(max(int(one.version) for one in known))
            aliases = self._client.get_registered_model(name).aliases
            return next((one for one in (CHAMPION, CHALLENGER) if str(aliases.get(one)) == latest), None)

    def register_champion(
        self,
        name: str,
        *,
        run_id: str,
        model: Path,
        loader: str,
        description: str,
        tags: Mapping[str, str],
        alias: str | None = CHAMPION,
    ) -> Registered:
        """Registers the run's artifact ``model``, an MLflow pyfunc model that ``loader`` loads, with its alias."""
        tags = {**tags, CODE_TAG: "included"}  # which is written after the files are there
        with tracker_errors():
            if not self._client.search_registered_models(filter_string=f"name = {_quoted(name)}", max_results=1):
                self._client.create_registered_model(name)
            known = self._client.search_model_versions(f"name = {_quoted(name)} and run_id = '{run_id}'")
            if known:
                latest = max(known, key=lambda one: int(one.version))
                version = int(latest.version)
                if CODE_TAG not in latest.tags:  # of an earlier version, whose requirements cannot be installed
                    self._log_model(run_id, model, loader)
                self._client.update_model_version(name, str(version), description=description)
                for tag, value in tags.items():
                    self._client.set_model_version_tag(name, str(version), tag, value)
            else:
                self._log_model(run_id, model, loader)
                source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
                made = self._client.create_model_version(
                    name, source, run_id=run_id, tags=tags, description=description
                )
                version = int(made.version)
            name_version(self._client, run_id, name=name, version=version)
            return self._give_alias(name, version, alias)

    def _give_alias(self, name: str, version: int, asked: str | None) -> Registered:
        aliases = self._client.get_registered_model(name).aliases
        held = {alias for alias in (CHAMPION, CHALLENGER) if str(aliases.get(alias)) == str(version)}
        given = alias_for(asked, held)
        self._client.set_registered_model_alias(name, given, str(version))  # first: a kill leaves two rather than none
        for alias in held - {given}:
            self._client.delete_registered_model_alias(name, alias)
        return Registered(version=version, alias=given)

    def _log_model(self, run_id: str, model: Path, loader: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / "model"
            write_model_package(packed, encoder=model, loader=loader)
            self.log_folder(run_id, packed, name="model")

    @property
    def _client(self) -> Any:
        with self._opening:  # a check may still be running when the first write comes
            if self._opened is None:
                self._opened = open_client(self._uri)
            return self._opened

    def _experiment(self, name: str) -> str:
        """The id of an experiment, which is made where there is none."""
        with self._opening_experiment:  # two threads that find none would both create it, and one be refused
            if name not in self._experiments:
                self._experiments[name] = self._open_experiment(name)
            return self._experiments[name]

    def _open_experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            location = None if self._artifacts is None else (self._artifacts / name).absolute().as_uri()
            tags = {EXPERIMENT_KIND_TAG: EXPERIMENT_KIND}
            return str(self._client.create_experiment(name, artifact_location=location, tags=tags))
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _find(self, experiment: str, key: str) -> Any:
        page = self._client.search_runs(
            [self._experiment(experiment)], filter_string=f"tags.`{KEY_TAG}` = {_quoted(key)}", max_results=1
        )
        return page[0] if page else None


def _run(run: Any) -> Run:
    tags = dict(run.data.tags)
    return Run(run_id=run.info.run_id, key=tags[KEY_TAG], status=RunStatus(run.info.status), tags=tags)


def _can_be_made(file: Path) -> bool:
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _quoted(text: str) -> str:
    """A text in a filter of MLflow's; names of older searches may hold an apostrophe."""
    return f'"{text}"' if "'" in text else f"'{text}'"

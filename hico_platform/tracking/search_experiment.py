"""The experiment of a search as a whole: renamed, or its runs marked as deleted, in steps that can be done again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hico_platform.names import is_known_name
from hico_platform.search.ledger.base import SearchRecord
from hico_platform.sqlite_files import sqlite_file
from hico_platform.tracking.base import CHAMPION, PARENT_TAG, Run, TrackingRefused
from hico_platform.tracking.mlflow_models import delete_models
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.moved_home import rename_artifacts
from hico_platform.tracking.search_runs import key_of

FORMER_TAG, NOW_TAG = "hico.former_name", "hico.search_name_now"


@dataclass(frozen=True, kw_only=True)
class RegisteredModel:
    """A version of a registered model that was made by a retraining of a search."""

    name: str
    version: int
    aliases: tuple[str, ...]
    run_id: str

    @property
    def is_champion(self) -> bool:
        """Whether people fetch it as the champion."""
        return CHAMPION in self.aliases

    def __str__(self) -> str:
        """``models:/mine/2 (champion)``."""
        return f"models:/{self.name}/{self.version}" + (f" ({', '.join(self.aliases)})" if self.aliases else "")


@dataclass(frozen=True, kw_only=True)
class SearchExperiment:
    """What the tracking store has of a search.

    Attributes:
        experiment_id: of the experiment that its runs are in.
        runs: its runs that can go, by id: of the search, of its trials and of its retrainings.
        kept: runs that registered models are made of, and the runs above these.
        others: whether runs of something else are in the experiment.
        models: the registered models.
    """

    experiment_id: str
    runs: tuple[str, ...]
    kept: tuple[str, ...]
    others: bool
    models: tuple[RegisteredModel, ...]


def check_rename(tracker: MlflowTracker, name: str, new: str) -> None:
    """Whether the experiment ``name`` may be called ``new``; also where an interrupted rename has called it so.

    Raises:
        TrackingRefused: another experiment has that name.
        TrackingError: the store is away.
    """
    with tracker.client() as client:
        taken = client.get_experiment_by_name(new)
        if taken is not None and taken.tags.get(FORMER_TAG) != name:
            deleted = ", which is deleted" if taken.lifecycle_stage == "deleted" else ""
            raise TrackingRefused(f"there is an experiment {new} already{deleted}", remedy="give another name")


def rename_experiment(tracker: MlflowTracker, name: str, new: str, *, artifacts: Path | None) -> None:
    """Calls the experiment of a search otherwise, and its folder of artifacts in the home; may be done again.

    A registered model keeps its name, by which people fetch it, and says what the search is called now.

    Raises:
        TrackingRefused: another experiment has that name.
        TrackingError: the store is away.
    """
    check_rename(tracker, name, new)
    with tracker.client() as client:
        found = client.get_experiment_by_name(name)
        if found is not None:
            client.set_experiment_tag(found.experiment_id, FORMER_TAG, name)  # first: it tells a second try
            client.rename_experiment(found.experiment_id, new)
        file = sqlite_file(tracker.uri)
        if artifacts is not None and file is not None:
            rename_artifacts(file, artifacts / name, artifacts / new)
        if client.search_registered_models(filter_string=f"name = '{name}'", max_results=1):
            client.set_registered_model_tag(name, NOW_TAG, new)


def experiment_of(tracker: MlflowTracker, search: SearchRecord) -> SearchExperiment | None:
    """What the store has of a search; None where it has nothing.

    Raises:
        TrackingError: the store is away.
        TrackingRefused: it does not answer.
    """
    with tracker.client() as client:
        experiment = client.get_experiment_by_name(search.name)
        half = experiment is None or experiment.lifecycle_stage == "deleted"
        if half:
            experiment = client.get_experiment_by_name(_name_of_deleted(search))
        if experiment is None or experiment.lifecycle_stage == "deleted":
            return None
        active = tracker.runs(str(experiment.name))
        key, retrainings = key_of(search), f"{search.first_name}/final/"
        own = [run for run in active.values() if (f"{run.key}/").startswith((f"{key}/", retrainings))]
        models = tuple(_models(client, [run for run in own if run.key.startswith(retrainings)]))
        kept = {model.run_id for model in models}
        kept |= {run.tags[PARENT_TAG] for run in own if run.run_id in kept and PARENT_TAG in run.tags}
        return SearchExperiment(
            experiment_id=str(experiment.experiment_id),
            runs=tuple(run.run_id for run in own if run.run_id not in kept),
            kept=tuple(sorted(kept)),
            others=len(own) < len(active),
            models=models,
        )


def delete_runs(
    tracker: MlflowTracker, search: SearchRecord, experiment: SearchExperiment, *, artifacts: Path | None
) -> None:
    """Marks the runs of a search as deleted, and removes their artifacts in the home; may be done again.

    An experiment in which nothing else is goes whole, under another name: a later search of the same name begins its
    own. What registered models are made of stays.

    Raises:
        TrackingError: the store is away; what is done is done.
        TrackingRefused: it does not let them be deleted.
    """
    with tracker.client() as client:
        if experiment.kept or experiment.others:
            delete_models(client, experiment.experiment_id, experiment.runs)
            for run_id in experiment.runs:
                client.delete_run(run_id)
        else:
            if client.get_experiment(experiment.experiment_id).name == search.name:
                client.rename_experiment(experiment.experiment_id, _name_of_deleted(search))
            client.delete_experiment(experiment.experiment_id)
    if artifacts is not None:
        for run_id in experiment.runs:
            found = artifacts_of(artifacts, search.name, run_id)
            if found is not None:
                shutil.rmtree(found, ignore_errors=True)
        folder = artifacts / search.name
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def artifacts_of(artifacts: Path, experiment: str, run_id: str) -> Path | None:
    """The folder of a run's files in the home; None for what is no name, in a store that others write to, too."""
    return artifacts / experiment / run_id if is_known_name(run_id) else None


def _name_of_deleted(search: SearchRecord) -> str:
    return f"{search.name} (deleted, {search.key[:8] or f'{search.began_at_s:.0f}'})"


def _models(client: Any, retrained: list[Run]) -> Iterator[RegisteredModel]:
    for run in retrained:
        for version in client.search_model_versions(f"run_id = '{run.run_id}'"):
            aliases = client.get_registered_model(version.name).aliases
            held = tuple(sorted(alias for alias, at in aliases.items() if str(at) == str(version.version)))
            yield RegisteredModel(name=str(version.name), version=int(version.version), aliases=held, run_id=run.run_id)

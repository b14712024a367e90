"""Retrain the best of a search's configurations, or a configuration file, in a home."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hico_platform.commands.checkpoints_option import IN_THE_HOME, CheckpointsOption
from hico_platform.commands.retrain_figures import add_figures
from hico_platform.home import HomePaths
from hico_platform.retrain.further_tasks import DEFAULT_TASKS, further_names
from hico_platform.retrain.inputs import RetrainInputs
from hico_platform.retrain.run import RetrainReport, retrain
from hico_platform.retrain.task_source import RunObserver
from hico_platform.search.checkpoint_place import CheckpointsAsked
from hico_platform.search.drivers import this_driver
from hico_platform.search.phases import UNWATCHED, DriverWatch, Phase


def retrain_in_home(
    paths: HomePaths,
    inputs: RetrainInputs,
    *,
    seeds: int,
    epochs: int | None,
    address: str | None,
    observe: RunObserver,
    tasks: Sequence[str] = DEFAULT_TASKS,
    watch: DriverWatch = UNWATCHED,
    command: str | None = None,
    checkpoints: CheckpointsOption = IN_THE_HOME,
) -> RetrainReport:
    """Retrains with MLflow as the tracking store; results, checkpoints and figures are kept with the search.

    ``tasks`` are names of downstream tasks, ``quick`` or ``all``; the quick ones run in any case. ``command`` is the
    command line without secrets, by default as the interpreter has it. Checkpoints are where ``checkpoints`` asks for,
    by default where those of the search are.

    Raises what :func:`hico_platform.retrain.run.retrain` raises, and UsageError for a name that no task has.
    """
    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    further = further_names(tasks)
    tracker = MlflowTracker(uri=paths.tracking_uri, artifacts=paths.artifacts)
    report = retrain(
        inputs,
        directory=paths.search(inputs.name) / "final",
        tracker=tracker,
        seeds=seeds,
        epochs=epochs,
        further=further,
        address=address,
        observe=observe,
        watch=watch,
        command=this_driver(command=command).command,
        checkpoints=CheckpointsAsked(
            url=checkpoints.url,
            default=inputs.store or checkpoints.default,
            folder=inputs.folder_in_store or inputs.name,
        ),
    )
    watch.on_phase(Phase.FIGURES)
    return dataclasses.replace(report, figures_missing=add_figures(report, data=inputs.data, tracker=tracker))

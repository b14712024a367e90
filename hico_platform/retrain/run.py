"""Retraining: trains the best configuration again on the whole training split and scores it on the test split.

Nothing else in the package uses the test split. Beside the best configuration, at the same budget: the released
settings, the untrained encoder and the raw poses.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig
from hico_platform.cpus import available_cpus
from hico_platform.enums import Precision
from hico_platform.errors import HicoError, Problem
from hico_platform.retrain.champion import SEARCH_STATE, register_champion
from hico_platform.retrain.inputs import RetrainInputs
from hico_platform.retrain.logging import RetrainLogger
from hico_platform.retrain.plan import Entry, RetrainPlan, make_plan
from hico_platform.retrain.results import RunResult, Spread, read_result, summarise, write_plan
from hico_platform.retrain.task import run_retrain_task
from hico_platform.retrain.task_source import RetrainTaskSource, RunObserver
from hico_platform.search.drivers import user_name
from hico_platform.search.execution import ClusterOptions, TrialExecution
from hico_platform.search.lock import search_lock
from hico_platform.search.resources import OF_A_RETRAINING, TrialResources, check_fits, visible_gpus
from hico_platform.tracking.base import USER_TAG, Tracker
from hico_platform.tracking.check import check_tracking


@dataclass(frozen=True, kw_only=True)
class RetrainReport:
    """The results of a retraining.

    ``champion`` is the result whose model is registered as ``model_version``; ``unregistered`` is why it is not.
    ``untracked`` counts writes that wait for a tracking store that is away, ``refused`` those that it did not take.
    """

    name: str
    config: TrialConfig
    summary: Mapping[Entry, Mapping[str, Spread]]
    results: Sequence[RunResult]
    champion: RunResult
    model_version: int | None
    directory: Path
    unregistered: str | None = None
    untracked: int = 0
    refused: int = 0
    refusal: str | None = None


def retrain(
    inputs: RetrainInputs,
    *,
    directory: Path,
    tracker: Tracker,
    seeds: int,
    epochs: int | None = None,
    address: str | None = None,
    observe: RunObserver = lambda _: None,
) -> RetrainReport:
    """Trains and scores what has no result yet, summarises all results and registers the champion.

    Args:
        inputs: the configuration with its data, and the name of the experiment and of the registered model.
        directory: where runs keep checkpoints and results, in a folder named after the plan's digest.
        tracker: where runs are logged and the model is registered.
        seeds: how many seeds each entry is trained with.
        epochs: budget of a run; by default that of the configuration.
        address: an existing Ray cluster; by default one is started on this machine.
        observe: is called with the progress of each run.

    Raises:
        HicoError: a run failed; the others' results are kept.
        UsageError: another process retrains this search, or something is to be trained and the tracking store
            refuses what is written.
        KeyboardInterrupt: interrupted; the same command goes on from the checkpoints.
    """
    with search_lock(
        directory / "lock",
        name=inputs.name,
        rule="a retraining that is not running already",
        otherwise="train under another home",
    ):
        plan = _plan(inputs, directory, seeds=seeds, epochs=epochs)
        folder = directory / plan.digest[:12]
        if any(read_result(folder / run.key) is None for run in plan.runs):
            _check_before_training(inputs, tracker, address)
        write_plan(folder, plan, inputs.facts)
        logger = _open_logger(inputs, plan, tracker)
        summary = None
        try:
            results = _train(inputs, plan, folder, address=address, observe=observe, logger=logger)
            summary = summarise(results)
        finally:
            logger.close(summary, epoch=plan.runs[0].config.budget.epochs, at_s=time.time())
        champion = next(result for result in results if result.entry is Entry.BEST)
        version, unregistered = None, logger.trouble
        run_id = None if logger.is_away else logger.run_id(plan.runs[0])
        if run_id is not None:
            version, unregistered = register_champion(
                tracker, name=inputs.name, champion=champion, run_id=run_id, summary=summary, facts=inputs.facts
            )
        return RetrainReport(
            name=inputs.name,
            config=plan.runs[0].config,
            summary=summary,
            results=results,
            champion=champion,
            model_version=version,
            directory=folder,
            unregistered=unregistered,
            untracked=logger.untracked,
            refused=logger.refused,
            refusal=logger.refusal,
        )


def _plan(inputs: RetrainInputs, directory: Path, *, seeds: int, epochs: int | None) -> RetrainPlan:
    """The plan. Versions without ``auto`` precision began it in float32: it goes on so where nothing else began."""

    def made(config: TrialConfig) -> RetrainPlan:
        return make_plan(config, seeds=seeds, epochs=epochs, facts=_digested(inputs.facts))

    plan = made(inputs.best)
    if inputs.best.model.precision is Precision.AUTO and not (directory / plan.digest[:12]).is_dir():
        in_float32 = made(replace(inputs.best, {"model.precision": Precision.FLOAT32.value}))
        if (directory / in_float32.digest[:12]).is_dir():
            return in_float32
    return plan


def _digested(facts: Mapping[str, str]) -> dict[str, str]:
    """The facts that results depend on; the search's state is none, so its end does not make a new plan."""
    return {name: value for name, value in facts.items() if name != SEARCH_STATE}


def _check_before_training(inputs: RetrainInputs, tracker: Tracker, address: str | None) -> None:
    """Whether a run fits on this machine, and the tracking store takes what is written.

    Raises:
        UsageError: it does not.
    """
    if address is None:
        resources = TrialResources(cpus=inputs.cpus, gpus=inputs.gpus, options=OF_A_RETRAINING)
        check_fits(resources, cpus=available_cpus(), gpus=visible_gpus())
    check_tracking(tracker, inputs.name)


def _open_logger(inputs: RetrainInputs, plan: RetrainPlan, tracker: Tracker) -> RetrainLogger:
    logger = RetrainLogger(
        tracker,
        experiment=inputs.name,
        key=f"{inputs.name}/final/{plan.digest[:12]}",
        tags={USER_TAG: user_name(), **{f"hico.{key}": value for key, value in inputs.facts.items()}},
        config=plan.runs[0].config,
    )
    logger.open(at_s=time.time())
    return logger


def _train(
    inputs: RetrainInputs,
    plan: RetrainPlan,
    folder: Path,
    *,
    address: str | None,
    observe: RunObserver,
    logger: RetrainLogger,
) -> list[RunResult]:
    """Runs on Ray what has no result in ``folder``; returns the results of the whole plan.

    Raises:
        HicoError: a run failed.
    """
    source = RetrainTaskSource(
        plan=plan, directory=folder, cpus=inputs.cpus, gpus=inputs.gpus, observe=observe, logger=logger
    )
    if not source.is_over:  # else there is only the model to be registered
        from hico_platform.search.ray_executor.executor import execute_on_ray

        execute_on_ray(
            source,
            functools.partial(run_retrain_task, data=inputs.data),
            execution=TrialExecution(cpus=inputs.cpus, gpus=inputs.gpus, options=OF_A_RETRAINING),
            cluster=ClusterOptions(address=address),
        )
    if source.failures:
        raise HicoError(_failures(source.failures))
    return [result for run in plan.runs if (result := read_result(folder / run.key)) is not None]


def _failures(failures: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(field=key, rule="a run that trains", value=reason, remedy="mend it and run the command again")
        for key, reason in failures.items()
    ]

"""Retraining: trains the best configuration again on the whole training split and scores it on the test split.

With several candidates, a first stage chooses the best configuration on validation subjects (``candidates.py``); only
then is the test split looked at. Beside the best configuration, at the same budget: the released settings, the
untrained encoder and the raw poses.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hico_platform.config.schema import replace
from hico_platform.config.trial import TrialConfig, batch_share
from hico_platform.cpus import available_cpus
from hico_platform.enums import Precision, Signal
from hico_platform.environment.record import keep_environment
from hico_platform.errors import HicoError, Problem, first_line
from hico_platform.interruptions import time_left_s
from hico_platform.retrain.candidates import CANDIDATES, FOLDER, Validated, as_plain, candidate_plan, choose
from hico_platform.retrain.champion import SEARCH_STATE, register_champion
from hico_platform.retrain.comparison import Comparison, compare
from hico_platform.retrain.further_scores import FurtherScores, further_scores, write_further_scores
from hico_platform.retrain.further_tasks import pending
from hico_platform.retrain.inputs import RetrainInputs, with_chosen
from hico_platform.retrain.logging import PATIENCE_S, PATIENCE_WHEN_CUT_OFF_S, RetrainLogger
from hico_platform.retrain.outlook import Outlook
from hico_platform.retrain.plan import Entry, RetrainPlan, make_plan
from hico_platform.retrain.promotion import Promotion, promotion, tested_metric
from hico_platform.retrain.results import RunResult, Spread, read_result, summarise, write_plan
from hico_platform.retrain.stored_runs import (
    StoredRun,
    bring_runs,
    checkpoint_at_hand,
    claim_retrain_store,
    retrain_store,
)
from hico_platform.retrain.task import run_retrain_task
from hico_platform.retrain.task_source import RetrainTaskSource, RunObserver
from hico_platform.search.checkpoint_place import CheckpointsAsked
from hico_platform.search.drivers import user_name
from hico_platform.search.execution import ClusterOptions, TrialExecution
from hico_platform.search.lock import search_lock
from hico_platform.search.phases import UNWATCHED, DriverWatch, Phase
from hico_platform.search.resources import OF_A_RETRAINING, TrialResources, check_fits, visible_gpus
from hico_platform.tracking.base import USER_TAG, Tracker
from hico_platform.tracking.check import check_tracking


@dataclass(frozen=True, kw_only=True)
class RetrainReport:
    """The results of a retraining.

    ``champion`` is the result whose model is registered as ``model_version`` under ``alias``; ``unregistered`` is why
    it is not. ``promotion`` says why that alias. ``run_id`` is its run in the tracking store, if that
    has it; ``figures_missing`` is why its figures are missing. ``candidates`` are those among which validation chose,
    if it did.
    ``further`` are the scores of downstream tasks beyond the quick ones.
    ``untracked`` counts writes that wait for a tracking store that is away, ``refused`` those that it did not take.
    """

    name: str
    config: TrialConfig
    summary: Mapping[Entry, Mapping[str, Spread]]
    results: Sequence[RunResult]
    champion: RunResult
    model_version: int | None
    directory: Path
    comparison: Comparison
    promotion: Promotion
    signal: Signal = Signal.KNN_TOP1
    alias: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    candidates: Sequence[Validated] = ()
    unregistered: str | None = None
    untracked: int = 0
    refused: int = 0
    refusal: str | None = None
    run_id: str | None = None
    figures_missing: str | None = None
    further: FurtherScores = field(default_factory=FurtherScores)

    @property
    def metric(self) -> str:
        """The test score that decides whether the model is the champion."""
        return tested_metric(self.signal)


def retrain(
    inputs: RetrainInputs,
    *,
    directory: Path,
    tracker: Tracker,
    seeds: int,
    epochs: int | None = None,
    further: Sequence[str] = (),
    address: str | None = None,
    observe: RunObserver = lambda _: None,
    watch: DriverWatch = UNWATCHED,
    command: str | None = None,
    checkpoints: CheckpointsAsked | None = None,
) -> RetrainReport:
    """Trains and scores what has no result yet, summarises all results and registers the model.

    Args:
        inputs: the configuration with its data, or several candidates for it, and the name of the experiment and of the
            registered model.
        directory: where runs keep checkpoints and results, in a folder named after the plan's digest.
        tracker: where runs are logged and the model is registered.
        seeds: how many seeds each candidate and each entry is trained with.
        epochs: budget of a run; by default that of the configuration.
        further: downstream tasks beyond the quick ones, which are scored on each run of the comparison once it has its
            result. What cannot be scored is said, and costs nothing else.
        address: an existing Ray cluster; by default one is started on this machine.
        observe: is called with the progress of each run.
        watch: is told the phases before and after the runs; what runs do between their reports goes to ``observe``.
        command: the command line, with which the environment of this process is recorded; by default neither is.
        checkpoints: the store that they are asked to be in; by default they are in ``directory``.

    Raises:
        HicoError: a run failed; the others' results are kept. Or a store does not take what is written.
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
        watch.on_phase(Phase.TRACKING)
        signal, first = inputs.data.signal, None
        if len(inputs.candidates) > 1:
            first = _candidate_plan(inputs, seeds=seeds, epochs=epochs)
        plan = first or _plan(inputs, directory, seeds=seeds, epochs=epochs)
        outlook = Outlook(observe, runs=plan.runs, later_epochs=_later_epochs(first))
        train = functools.partial(
            _train, address=address, observe=outlook, watch=watch, checkpoints=checkpoints, further=further
        )
        check = functools.partial(_check_before_training, tracker=tracker, address=address, further=further)
        check(inputs, plan, directory / (FOLDER if first else plan.digest[:12]))
        kept = () if command is None else keep_environment(directory, command=command, at_s=time.time())
        config = None if first else plan.runs[0].config
        logger = _open_logger(inputs, plan, tracker, config=config, folders=kept)
        validated: tuple[Validated, ...] = ()
        summary = None
        try:
            if first is not None:
                found = train(inputs, first, directory / FOLDER, logger=logger)
                results_by_key = dict(zip((run.key for run in first.runs), found, strict=True))
                validated = choose(inputs.candidates, results_by_key, plan=first, metric=signal.metric)
                inputs = with_chosen(inputs, validated)
                plan = _plan(inputs, directory, seeds=seeds, epochs=epochs)
                outlook.expect(plan.runs)
                check(inputs, plan, directory / plan.digest[:12])
                logger.chosen(plan.runs[0].config, tracked(inputs.facts), at_s=time.time())
            folder = directory / plan.digest[:12]
            write_plan(folder, plan, inputs.facts, candidates=as_plain(validated))
            results = train(inputs, plan, folder, logger=logger)
            watch.on_phase(Phase.COMPARING)
            comparison = compare(folder, plan.runs, metric=tested_metric(signal))
            promoted = promotion(comparison, metric=tested_metric(signal))
            found_further = further_scores(folder, plan.runs)
            write_further_scores(folder, found_further)
            summary = summarise(results)
            logger.compared(comparison, promoted, found_further)
        finally:
            watch.on_phase(Phase.CLOSING)
            logger.close(summary, epoch=plan.runs[0].config.budget.epochs, at_s=time.time())
        champion = next(result for result in results if result.entry is Entry.BEST)
        champion, not_at_hand = _at_hand(champion, folder / plan.runs[0].key)
        registered, unregistered = None, logger.trouble or not_at_hand
        run_id = None if logger.is_away else logger.run_id(plan.runs[0])
        if run_id is not None and not_at_hand is None:
            registered, unregistered = register_champion(
                tracker,
                name=inputs.name,
                champion=champion,
                run_id=run_id,
                summary=summary,
                facts=inputs.facts,
                promotion=promoted,
                data=inputs.data,
                results=results,
                comparison=comparison,
                further=found_further,
                on_phase=watch.on_phase,
            )
        return RetrainReport(
            name=inputs.name,
            config=plan.runs[0].config,
            summary=summary,
            results=results,
            champion=champion,
            model_version=None if registered is None else registered.version,
            alias=None if registered is None else registered.alias,
            directory=folder,
            comparison=comparison,
            promotion=promoted,
            signal=signal,
            facts=inputs.facts,
            candidates=validated,
            unregistered=unregistered,
            untracked=logger.untracked,
            refused=logger.refused,
            refusal=logger.refusal,
            run_id=run_id,
            further=found_further,
        )


def _at_hand(champion: RunResult, folder: Path) -> tuple[RunResult, str | None]:
    """The result whose model is exported, with its checkpoint on this machine; or why it is not here."""
    try:
        here = checkpoint_at_hand(champion.checkpoint or "", folder)
    except (HicoError, OSError) as error:
        return champion, f"its checkpoint could not be fetched: {first_line(error)}"
    return dataclasses.replace(champion, checkpoint=str(here)), None


def _candidate_plan(inputs: RetrainInputs, *, seeds: int, epochs: int | None) -> RetrainPlan:
    """The signal decides what candidates are scored by, and with ``knn_subjects`` what they pretrain on."""
    facts = {**_digested(inputs.facts), "signal": str(inputs.data.signal)}
    return candidate_plan(inputs.candidates, seeds=seeds, epochs=epochs, facts=facts)


def _later_epochs(first: RetrainPlan | None) -> int:
    """The epochs of the comparison after these candidates: all seeds of the best and of the released settings."""
    if first is None:
        return 0
    seeds = len({run.seed for run in first.runs})
    return 2 * seeds * first.runs[0].config.budget.epochs


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
    """The facts that results depend on; the search's state and the other candidates make no new plan."""
    return {name: value for name, value in facts.items() if name not in (SEARCH_STATE, CANDIDATES)}


def _check_before_training(
    inputs: RetrainInputs,
    plan: RetrainPlan,
    folder: Path,
    *,
    tracker: Tracker,
    address: str | None,
    further: Sequence[str],
) -> None:
    """Where something is to be trained or scored: whether it fits on this machine, and the tracking store takes writes.

    Raises:
        ConfigError: the GPUs of a run cannot share a batch equally.
        UsageError: it does not fit.
    """
    wanted = _further_of(folder, further)
    if all(read_result(folder / run.key) is not None and not pending(folder / run.key, wanted) for run in plan.runs):
        return
    for run in plan.runs:
        batch_share(run.config.budget.batch_size, ranks=max(1, int(inputs.gpus)))
    if address is None:
        resources = TrialResources(cpus=inputs.cpus, gpus=inputs.gpus, options=OF_A_RETRAINING)
        check_fits(resources, cpus=available_cpus(), gpus=visible_gpus())
    check_tracking(tracker, inputs.name)


def _open_logger(
    inputs: RetrainInputs,
    plan: RetrainPlan,
    tracker: Tracker,
    *,
    config: TrialConfig | None,
    folders: Sequence[Path],
) -> RetrainLogger:
    """``config`` is None where candidates come first: their plan then names the parent run."""
    logger = RetrainLogger(
        tracker,
        experiment=inputs.name,
        key=f"{inputs.facts.get('search', inputs.name)}/final/{plan.digest[:12]}",
        tags={USER_TAG: user_name(), **tracked(inputs.facts)},
        config=config,
        folders=folders,
    )
    logger.open(at_s=time.time())
    return logger


def tracked(facts: Mapping[str, str]) -> dict[str, str]:
    """The facts as tags of the tracking store."""
    return {f"hico.{key}": value for key, value in facts.items()}


def _train(
    inputs: RetrainInputs,
    plan: RetrainPlan,
    folder: Path,
    *,
    address: str | None,
    observe: RunObserver,
    logger: RetrainLogger,
    watch: DriverWatch,
    checkpoints: CheckpointsAsked | None,
    further: Sequence[str],
) -> list[RunResult]:
    """Runs on Ray what has no result in ``folder``; returns the results of the whole plan, in its order.

    Raises:
        HicoError: a run failed, or the store of checkpoints does not take what is written.
        UsageError: the checkpoints of the plan are elsewhere.
    """
    of_candidates = folder.name == FOLDER
    store = retrain_store(checkpoints, folder, whose=inputs.name)
    source = RetrainTaskSource(
        plan=plan,
        directory=folder,
        cpus=inputs.cpus,
        gpus=inputs.gpus,
        observe=observe,
        logger=logger,
        key=FOLDER if of_candidates else None,
        store=store,
        further=_further_of(folder, further),
    )
    if not source.is_over:  # else there is only the model to be registered
        watch.on_phase(Phase.RAY)  # importing Ray takes as long as starting it
        from hico_platform.search.ray_executor.executor import execute_on_ray

        function: Any = functools.partial(run_retrain_task, data=inputs.data)
        if store is not None:
            claim_retrain_store(store, folder, {"name": inputs.name, "plan": plan.digest, "facts": dict(inputs.facts)})
            function = StoredRun(data=inputs.data, store=store)
        ended = False
        try:
            execute_on_ray(
                source,
                function,
                execution=TrialExecution(cpus=inputs.cpus, gpus=inputs.gpus, options=OF_A_RETRAINING),
                cluster=ClusterOptions(address=address),
                watch=dataclasses.replace(watch, on_activity=source.between_reports),
            )
            ended = True
        finally:
            if store is not None:
                bring_runs(store, patience_s=PATIENCE_S if ended else time_left_s(PATIENCE_WHEN_CUT_OFF_S))
    if source.failures:
        otherwise = ", or give fewer --candidates," if of_candidates else ""
        raise HicoError(_failures(source.failures, remedy=f"mend it{otherwise} and run the command again"))
    return [result for run in plan.runs if (result := read_result(folder / run.key)) is not None]


def _further_of(folder: Path, further: Sequence[str]) -> Sequence[str]:
    """The further tasks of the runs in ``folder``: candidates have none."""
    return () if folder.name == FOLDER else further


def _failures(failures: Mapping[str, str], *, remedy: str) -> list[Problem]:
    return [
        Problem(field=key, rule="a run that trains", value=reason, remedy=remedy) for key, reason in failures.items()
    ]

"""The final stage: trains the best configuration again on the whole training split and scores it on the test split.

The only stage that touches the test split. Beside it, at the same budget: the released settings, the untrained
encoder and the raw poses.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.config.trial import TrialConfig
from hico_platform.cpus import available_cpus
from hico_platform.enums import Decision
from hico_platform.errors import HicoError, Problem
from hico_platform.retrain.champion import SEARCH_STATE, register_champion
from hico_platform.retrain.logging import FinalMirror
from hico_platform.retrain.plan import Entry, Plan, PlannedRun, make_plan
from hico_platform.retrain.results import RunResult, Spread, read_result, summarise, write_plan, write_result
from hico_platform.search.drivers import user_name
from hico_platform.search.lock import search_lock
from hico_platform.search.resources import OF_A_RETRAINING, TrialResources, check_fits, gpus_in_sight
from hico_platform.search.task import TrialTask
from hico_platform.tracking.base import USER_TAG, Tracker
from hico_platform.tracking.check import check_tracking

if TYPE_CHECKING:  # the driver does without torch
    from hico_platform.trial import Report, TrialOutcome
    from hico_platform.worker.run_task import TrialData

REPORTS = 20
"""Reports, and with them checkpoints, of a run."""


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """A run of the plan came so far; ``result`` once it has ended, ``failure`` if it could not."""

    run: PlannedRun
    epoch: int
    result: RunResult | None = None
    failure: str | None = None


Observer = Callable[[RunProgress], None]


@dataclass(frozen=True, kw_only=True)
class FinalReport:
    """What the final stage came to.

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


@dataclass(frozen=True, kw_only=True)
class FinalTask(TrialTask):
    """A run of the final stage on a worker."""

    entry: Entry


class FinalCourse:
    """Hands out the runs of a plan that have no result yet, and keeps what they come to."""

    def __init__(
        self,
        *,
        plan: Plan,
        directory: Path,
        cpus: float,
        gpus: float,
        observe: Observer,
        mirror: FinalMirror,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._cpus, self._gpus = cpus, gpus
        self._observe = observe
        self._mirror = mirror
        self._clock = clock
        self._began_at_s: dict[int, float] = {}
        self.failures: dict[str, str] = {}
        self._waiting = []
        for number, run in enumerate(plan.runs):
            result = read_result(directory / run.key)
            if result is None:
                self._waiting.append(number)
            else:
                mirror.settle(run, result, at_s=clock())
                observe(RunProgress(run=run, epoch=result.epoch, result=result))

    @property
    def is_over(self) -> bool:
        """Whether every run has a result already."""
        return not self._waiting and not self._began_at_s

    @property
    def at_work(self) -> int:
        """How many runs are with workers."""
        return len(self._began_at_s)

    @property
    def time_is_up(self) -> bool:
        """Never."""
        return False

    def next_task(self) -> FinalTask | None:
        """The next run without a result."""
        if not self._waiting:
            return None
        number = self._waiting.pop(0)
        run = self._plan.runs[number]
        self._began_at_s[number] = self._clock()
        epochs = run.config.budget.epochs
        step = max(1, epochs // REPORTS)
        self._mirror.begin(run, at_s=self._began_at_s[number])
        self._observe(RunProgress(run=run, epoch=0))
        return FinalTask(
            number=number,
            config=run.config,
            directory=self._directory / run.key,
            report_epochs=tuple(range(step, epochs + 1, step)),
            cpus=self._cpus,
            gpus=self._gpus,
            key=f"{self._plan.digest}/{run.key}",
            entry=run.entry,
        )

    def reported(
        self,
        number: int,
        *,
        epoch: int,
        metrics: Mapping[str, float],
        history: Sequence[tuple[int, Mapping[str, float]]],
        checkpoint: str,
    ) -> Decision:
        """A run came so far; none is stopped."""
        run = self._plan.runs[number]
        self._mirror.losses(run, history, at_s=self._clock())
        self._observe(RunProgress(run=run, epoch=epoch))
        return Decision.CONTINUE

    def finished(
        self,
        number: int,
        *,
        epoch: int,
        stopped_early: bool,
        metrics: Mapping[str, float],
        checkpoint: str,
    ) -> None:
        """A run has its result: on disk first, then mirrored and shown."""
        began_at_s = self._began_at_s.pop(number, None)
        if began_at_s is None:
            return
        run = self._plan.runs[number]
        result = RunResult(
            entry=run.entry,
            seed=run.seed,
            epoch=epoch,
            metrics=metrics,
            checkpoint=checkpoint if run.entry.is_trained else None,
            seconds=self._clock() - began_at_s,
        )
        write_result(self._directory / run.key, result)
        self._mirror.end(run, result, at_s=self._clock())
        self._observe(RunProgress(run=run, epoch=epoch, result=result))

    def failed(self, number: int, *, reason: str, traceback: str | None) -> None:
        """A run could not go on."""
        if self._began_at_s.pop(number, None) is None:
            return
        run = self._plan.runs[number]
        self.failures[run.key] = reason
        self._mirror.fail(run, reason, traceback, at_s=self._clock())
        self._observe(RunProgress(run=run, epoch=0, failure=reason))

    def lost(self, number: int, *, reason: str) -> None:
        """A run's worker is gone; the run is the next to be handed out."""
        if self._began_at_s.pop(number, None) is not None:
            self._waiting.insert(0, number)

    def left_out(self, *, host: str, reason: str, trials: Sequence[int]) -> None:
        """A machine gets no further run."""


def carry_out_final(task: FinalTask, report: Report, *, data: TrialData) -> TrialOutcome:
    """Runs one run of the final stage on a worker."""
    from hico_platform.trial import TrialOutcome
    from hico_platform.worker.run_task import carry_out, raw_pose_score, untrained_scores

    match task.entry:
        case Entry.RAW_POSE:
            metrics = {"knn_top1": raw_pose_score(task, data=data)}
        case Entry.UNTRAINED:
            metrics = untrained_scores(task, report, data=data)
        case _:
            return carry_out(task, report, data=data)
    return TrialOutcome(epoch=0, stopped_early=False, metrics=metrics, checkpoint=task.directory)


def retrain(
    *,
    name: str,
    best: TrialConfig,
    data: TrialData,
    facts: Mapping[str, str],
    directory: Path,
    tracker: Tracker,
    seeds: int,
    epochs: int | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    address: str | None = None,
    observe: Observer = lambda _: None,
) -> FinalReport:
    """Runs the final stage of the search ``name``; what has a result already is not run again.

    Args:
        name: the experiment under which runs are tracked, and the name of the registered model.
        best: the best configuration.
        data: what to train and score on; ``data.final`` must be set.
        facts: digests, protocol, code version and the like; they are tagged and enter the plan's digest.
        directory: where runs keep checkpoints and results, in a folder named for the plan.
        tracker: where runs are mirrored and the model is registered.
        seeds: how many seeds each entry is trained with.
        epochs: budget of a run; by default that of ``best``.
        cpus: CPUs of a run.
        gpus: GPUs of a run.
        address: an existing Ray cluster.
        observe: is told how runs go.

    Raises:
        HicoError: a run failed; the others' results are kept.
        UsageError: another process runs the final stage of this search, or something is to be trained and the
            tracking store refuses what is written.
        KeyboardInterrupt: interrupted; the same command goes on from the checkpoints.
    """
    with search_lock(directory / "lock", name=name, what="a final stage", otherwise="train under another home"):
        return _retrain(
            name=name,
            plan=make_plan(best, seeds=seeds, epochs=epochs, facts=_lasting(facts)),
            data=data,
            facts=facts,
            directory=directory,
            tracker=tracker,
            cpus=cpus,
            gpus=gpus,
            address=address,
            observe=observe,
        )


def _retrain(
    *,
    name: str,
    plan: Plan,
    data: TrialData,
    facts: Mapping[str, str],
    directory: Path,
    tracker: Tracker,
    cpus: float,
    gpus: float,
    address: str | None,
    observe: Observer,
) -> FinalReport:
    folder = directory / plan.digest[:12]
    if any(read_result(folder / run.key) is None for run in plan.runs):
        if address is None:
            trial = TrialResources(cpus=cpus, gpus=gpus, options=OF_A_RETRAINING)
            check_fits(trial, cpus=available_cpus(), gpus=gpus_in_sight())
        check_tracking(tracker, name)
    write_plan(folder, plan, facts)
    mirror = FinalMirror(
        tracker,
        experiment=name,
        key=f"{name}/final/{plan.digest[:12]}",
        tags={USER_TAG: user_name(), **{f"hico.{key}": value for key, value in facts.items()}},
        config=plan.runs[0].config,
    )
    mirror.open(at_s=time.time())
    summary = None
    try:
        course = FinalCourse(plan=plan, directory=folder, cpus=cpus, gpus=gpus, observe=observe, mirror=mirror)
        if not course.is_over:  # else there is only the model to be registered
            from hico_platform.search.ray_executor.executor import execute_on_ray

            execute_on_ray(
                course,
                functools.partial(carry_out_final, data=data),
                cpus_per_trial=cpus,
                gpus_per_trial=gpus,
                address=address,
                options=OF_A_RETRAINING,
            )
        results = [result for run in plan.runs if (result := read_result(folder / run.key)) is not None]
        if course.failures:
            raise HicoError(_failures(course.failures))
        summary = summarise(results)
    finally:
        mirror.close(summary, epoch=plan.runs[0].config.budget.epochs, at_s=time.time())
    champion = next(result for result in results if result.entry is Entry.BEST)
    version, unregistered = None, mirror.trouble
    run_id = None if mirror.is_away else mirror.run_id(plan.runs[0])
    if run_id is not None:
        version, unregistered = register_champion(
            tracker, name=name, champion=champion, run_id=run_id, summary=summary, facts=facts
        )
    return FinalReport(
        name=name,
        config=plan.runs[0].config,
        summary=summary,
        results=results,
        champion=champion,
        model_version=version,
        directory=folder,
        unregistered=unregistered,
        untracked=mirror.untracked,
        refused=mirror.refused,
        refusal=mirror.refusal,
    )


def _lasting(facts: Mapping[str, str]) -> dict[str, str]:
    """What results depend on: a configuration that stays the best is not trained again when its search has ended."""
    return {name: value for name, value in facts.items() if name != SEARCH_STATE}


def _failures(failures: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(field=key, rule="a run that trains", value=reason, remedy="mend it and run the command again")
        for key, reason in failures.items()
    ]

"""The runs of a retraining as tasks: those without a result are handed out, and what they come to is kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.checkpoint_store import CheckpointStore, is_in_a_store
from hico_platform.enums import Decision
from hico_platform.retrain.further_tasks import (
    DEFAULT_TASKS,
    pending,
    read_task_scores,
    record_failure,
    write_task_scores,
)
from hico_platform.retrain.logging import RetrainLogger
from hico_platform.retrain.losses import append_losses, read_losses
from hico_platform.retrain.plan import PlannedRun, RetrainPlan
from hico_platform.retrain.results import RunResult, read_result, write_result
from hico_platform.retrain.sequence_scores import write_sequence_scores
from hico_platform.retrain.task import RetrainOutcome, RetrainTask
from hico_platform.search.messages import Activity, EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.task import TrialActivity

REPORTS = 20
"""Reports, and with them checkpoints, of a run."""


@dataclass(frozen=True, kw_only=True)
class Overall:
    """How many ``epochs`` of all, ``of`` so many, have been trained, and about how many seconds the rest takes.

    ``left_s`` is None before anything was trained.
    """

    epochs: int
    of: int
    left_s: float | None


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """How far a run of the plan is: its epoch, its ``result`` once it has ended, the reason of a ``failure``.

    ``overall`` is how far the whole retraining is, candidates included; ``doing`` is what the run does, where a
    heartbeat tells it between two reports. ``further`` are the downstream tasks that are scored, or have been where
    there is a ``result``, after the run has ended.
    """

    run: PlannedRun
    epoch: int
    result: RunResult | None = None
    failure: str | None = None
    overall: Overall | None = None
    doing: Activity | None = None
    further: tuple[str, ...] = ()


RunObserver = Callable[[RunProgress], None]


class RetrainTaskSource:
    """Hands out the runs of a plan that have no result yet, and writes the results of those that end.

    ``key`` is the first part of what identifies a run in its checkpoints, by default the plan's digest. ``store`` is
    where they are, if not below ``directory``. ``further`` are downstream tasks beyond the quick ones: those that take
    seconds go along with a run, the others are run once it has its result, as tasks of their own.
    """

    def __init__(
        self,
        *,
        plan: RetrainPlan,
        directory: Path,
        cpus: float,
        gpus: float,
        observe: RunObserver,
        logger: RetrainLogger,
        key: str | None = None,
        store: CheckpointStore | None = None,
        further: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plan = plan
        self._further = tuple(further)
        self._along = tuple(name for name in further if name in DEFAULT_TASKS)
        self._key = key or plan.digest
        self._directory, self._store = directory, store
        self._cpus, self._gpus = cpus, gpus
        self._observe = observe
        self._logger = logger
        self._clock = clock
        self._began_at_s: dict[int, float] = {}
        self.failures: dict[str, str] = {}
        self._waiting = []
        self._tasks: dict[int, tuple[str, ...]] = {}  # of a run that has ended, by a number beyond those of the runs
        for number, run in enumerate(plan.runs):
            result = read_result(directory / run.key)
            if result is None:
                self._waiting.append(number)
            else:
                logger.settle(run, result, at_s=clock() if result.at_s is None else result.at_s)
                observe(RunProgress(run=run, epoch=result.epoch, result=result))
                self._log_scores(run, result, self._further)
        for number in sorted(set(range(len(plan.runs))) - set(self._waiting)):
            self._expect_further(number)

    @property
    def is_over(self) -> bool:
        """Whether every run has a result already."""
        return not self._waiting and not self._began_at_s

    @property
    def tasks_running(self) -> int:
        """How many runs are on workers."""
        return len(self._began_at_s)

    @property
    def time_is_up(self) -> bool:
        """Never: a retraining has no time limit."""
        return False

    @property
    def is_stopped(self) -> bool:
        """Never: a retraining is interrupted at its own terminal."""
        return False

    @property
    def is_waiting(self) -> bool:
        """Never: nothing of a retraining is paused."""
        return False

    def look(self, *, now: bool = False) -> None:
        """Does nothing: nobody steers a retraining from elsewhere."""

    def is_held(self, number: int) -> bool:
        """Never."""
        return False

    def paused(self, number: int) -> None:
        """A run was taken off its worker; it is handed out again."""
        self.lost(number, reason="it was paused")

    def next_task(self) -> RetrainTask | None:
        """The next run without a result."""
        if not self._waiting:
            return None
        number = self._waiting.pop(0)
        self._began_at_s[number] = self._clock()
        if number in self._tasks:
            return self._further_task(number)
        run = self._plan.runs[number]
        epochs = run.config.budget.epochs
        step = max(1, epochs // REPORTS)
        self._logger.begin(run, at_s=self._began_at_s[number])
        self._observe(RunProgress(run=run, epoch=0))
        return RetrainTask(
            number=number,
            config=run.config,
            directory=self._directory / run.key,
            report_epochs=tuple(range(step, epochs + 1, step)),
            cpus=self._cpus,
            gpus=self._gpus,
            key=f"{self._key}/{run.key}",
            reported=max(read_losses(self._directory / run.key), default=0),
            entry=run.entry,
            along=self._along,
        )

    def between_reports(self, activity: TrialActivity) -> None:
        """Shows what a run does between its reports."""
        if activity.number in self._began_at_s and activity.number not in self._tasks:
            run = self._plan.runs[activity.number]
            self._observe(RunProgress(run=run, epoch=activity.epoch or 0, doing=activity.doing))

    def reported(self, number: int, report: EpochReport) -> Decision:
        """Logs the losses of a run; none is stopped early."""
        run = self._plan.runs[number]
        with contextlib.suppress(OSError):  # a figure lacks them; whether a disk is full, results tell
            append_losses(self._directory / run.key, report.history)
        self._logger.losses(run, report.history, at_s=self._clock())
        self._observe(RunProgress(run=run, epoch=report.epoch))
        return Decision.CONTINUE

    def finished(self, number: int, outcome: TrialOutcome) -> None:
        """A run has its result: written to disk first, then logged and shown."""
        began_at_s = self._began_at_s.pop(number, None)
        if began_at_s is None:
            return
        run = self._run_of(number)
        for task in outcome.tasks if isinstance(outcome, RetrainOutcome) else ():
            write_task_scores(self._directory / run.key, task)
        if number in self._tasks:
            self._end_further(number)
            return
        at_s = self._clock()
        result = RunResult(
            entry=run.entry,
            seed=run.seed,
            epoch=outcome.epoch,
            metrics=outcome.metrics,
            checkpoint=self._address(outcome.checkpoint) if run.entry.is_trained else None,
            seconds=at_s - began_at_s,
            precision=outcome.precision if isinstance(outcome, RetrainOutcome) else None,
            at_s=at_s,
        )
        if isinstance(outcome, RetrainOutcome) and outcome.scores is not None:
            write_sequence_scores(self._directory / run.key, outcome.scores)
        write_result(self._directory / run.key, result)
        self._logger.end(run, result, at_s=at_s)
        self._log_scores(run, result, self._along)
        self._observe(RunProgress(run=run, epoch=outcome.epoch, result=result))
        self._expect_further(number)

    def _address(self, checkpoint: Path) -> str:
        return str(checkpoint) if self._store is None else self._store.address(str(checkpoint))

    def failed(self, number: int, failure: TrialFailure) -> None:
        """A run failed: its reason is kept and logged. Where its further tasks did, it keeps its result."""
        if self._began_at_s.pop(number, None) is None:
            return
        if number in self._tasks:
            run = self._run_of(number)
            record_failure(
                self._directory / run.key,
                pending(self._directory / run.key, self._tasks[number]),
                reason=failure.reason,
            )
            self._end_further(number)
            return
        run = self._plan.runs[number]
        self.failures[run.key] = failure.reason
        self._logger.fail(run, failure.reason, failure.traceback, at_s=self._clock())
        self._observe(RunProgress(run=run, epoch=0, failure=failure.reason))

    def lost(self, number: int, *, reason: str) -> None:
        """A run's worker died; the run is handed out next."""
        if self._began_at_s.pop(number, None) is not None:
            self._waiting.insert(0, number)

    def machine_excluded(self, *, host: str, reason: str, trials: Sequence[int]) -> None:
        """Nothing is recorded of a machine that gets no further run."""

    def _run_of(self, number: int) -> PlannedRun:
        """The run that has a number, or that the further tasks of a number are of."""
        return self._plan.runs[number % len(self._plan.runs)]

    def _expect_further(self, number: int) -> None:
        """Hands out the further tasks of a run that has ended, after all runs that wait.

        Those that take seconds are one task, each other one is a task of its own.
        """
        run = self._plan.runs[number]
        names = pending(self._directory / run.key, self._further)
        checkpoint = self._result(run).checkpoint
        is_there = checkpoint is not None and (is_in_a_store(checkpoint) or Path(checkpoint).exists())
        if run.entry.is_trained and not is_there:
            return
        quick = tuple(name for name in names if name in DEFAULT_TASKS)
        groups = [quick, *((name,) for name in names if name not in quick)]
        for place, group in enumerate((one for one in groups if one), start=1):
            later = place * len(self._plan.runs) + number
            self._tasks[later] = group
            self._waiting.append(later)

    def _further_task(self, number: int) -> RetrainTask:
        run, names = self._run_of(number), self._tasks[number]
        result = self._result(run)
        self._observe(RunProgress(run=run, epoch=result.epoch, further=names))
        return RetrainTask(
            number=number,
            config=run.config,
            directory=self._directory / run.key,
            report_epochs=(),
            cpus=self._cpus,
            gpus=self._gpus,
            key=f"{self._key}/{run.key}",
            entry=run.entry,
            further=names,
            checkpoint=result.checkpoint,
        )

    def _end_further(self, number: int) -> None:
        run, names = self._run_of(number), self._tasks[number]
        result = self._result(run)
        self._log_scores(run, result, names)
        self._observe(RunProgress(run=run, epoch=result.epoch, result=result, further=names))

    def _log_scores(self, run: PlannedRun, result: RunResult, names: Sequence[str]) -> None:
        kept = (read_task_scores(self._directory / run.key, name) for name in names)
        self._logger.scored(run, [one for one in kept if one is not None], epoch=result.epoch, at_s=self._clock())

    def _result(self, run: PlannedRun) -> RunResult:
        """Of a run that has ended."""
        result = read_result(self._directory / run.key)
        if result is None:
            raise FileNotFoundError(f"the result of {run.key} is gone")
        return result

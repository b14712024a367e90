"""The runs of a retraining as tasks: those without a result are handed out, and what they come to is kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.checkpoint_store import CheckpointStore
from hico_platform.enums import Decision
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
    heartbeat tells it between two reports.
    """

    run: PlannedRun
    epoch: int
    result: RunResult | None = None
    failure: str | None = None
    overall: Overall | None = None
    doing: Activity | None = None


RunObserver = Callable[[RunProgress], None]


class RetrainTaskSource:
    """Hands out the runs of a plan that have no result yet, and writes the results of those that end.

    ``key`` is the first part of what identifies a run in its checkpoints, by default the plan's digest. ``store`` is
    where they are, if not below ``directory``.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plan = plan
        self._key = key or plan.digest
        self._directory, self._store = directory, store
        self._cpus, self._gpus = cpus, gpus
        self._observe = observe
        self._logger = logger
        self._clock = clock
        self._began_at_s: dict[int, float] = {}
        self.failures: dict[str, str] = {}
        self._waiting = []
        for number, run in enumerate(plan.runs):
            result = read_result(directory / run.key)
            if result is None:
                self._waiting.append(number)
            else:
                logger.settle(run, result, at_s=clock())
                observe(RunProgress(run=run, epoch=result.epoch, result=result))

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
        run = self._plan.runs[number]
        self._began_at_s[number] = self._clock()
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
        )

    def between_reports(self, activity: TrialActivity) -> None:
        """Shows what a run does between its reports."""
        if activity.number in self._began_at_s:
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
        run = self._plan.runs[number]
        result = RunResult(
            entry=run.entry,
            seed=run.seed,
            epoch=outcome.epoch,
            metrics=outcome.metrics,
            checkpoint=self._address(outcome.checkpoint) if run.entry.is_trained else None,
            seconds=self._clock() - began_at_s,
            precision=outcome.precision if isinstance(outcome, RetrainOutcome) else None,
        )
        if isinstance(outcome, RetrainOutcome) and outcome.scores is not None:
            write_sequence_scores(self._directory / run.key, outcome.scores)
        write_result(self._directory / run.key, result)
        self._logger.end(run, result, at_s=self._clock())
        self._observe(RunProgress(run=run, epoch=outcome.epoch, result=result))

    def _address(self, checkpoint: Path) -> str:
        return str(checkpoint) if self._store is None else self._store.address(str(checkpoint))

    def failed(self, number: int, failure: TrialFailure) -> None:
        """A run failed: its reason is kept and logged."""
        if self._began_at_s.pop(number, None) is None:
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

"""Runs a search: ledger, scheduler and observers on one side, the executor of trials on the other.

An executor asks for tasks and passes on what its workers report. Every step is in the ledger before the executor gets
its answer, and every step may come twice.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace
from hico_platform.enums import Decision
from hico_platform.errors import ConfigError
from hico_platform.search.events import Observer, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.first_points import enqueue_first_points
from hico_platform.search.ledger.base import Ending, Ledger, ReportRecord, TrialRecord, TrialState, config_of
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.notes import EXCLUDED_MACHINES, GPUS, PAUSES
from hico_platform.search.objectives import Measures, measures, scheduler_scores
from hico_platform.search.pauses import Pause, ended, to_note
from hico_platform.search.scheduler.base import Scheduler
from hico_platform.search.slim_trial import slim
from hico_platform.search.state import too_many_failed
from hico_platform.search.steering import Steering
from hico_platform.search.stop_rules import StopRules
from hico_platform.search.stopping import lost_ending
from hico_platform.search.task import TrialTask


class SearchController:
    """Hands out the trials of one search as tasks, answers their reports and records how they end.

    Args:
        ledger: the record of the search; its unfinished trials are handed out first.
        space: what is searched, with resources and the limit of failures.
        scheduler: decides which trials continue.
        directory: trials keep their checkpoints in ``directory/0003`` and so on.
        observe: called with each event once it is in the ledger.
        warm_points: points of earlier searches, tried after those that the space gives.
        clock: Unix time in seconds.
        timer: as in :class:`~hico_platform.search.stop_rules.StopRules`.
        on_extended: is called when a person has raised the limit.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        space: CheckedSpace,
        scheduler: Scheduler,
        directory: Path,
        observe: Observer,
        warm_points: Sequence[Mapping[str, Scalar]] = (),
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] | None = None,
        on_extended: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._space = space
        self._scheduler = scheduler
        self._directory = directory
        self._observe = observe
        self._clock = clock
        known = ledger.trials()
        self._trials = {trial.number: slim(trial, trial.ending) for trial in known}
        self._unfinished = [trial for trial in self._trials.values() if not trial.state.is_final]
        self._failed = [trial for trial in self._trials.values() if trial.state is TrialState.FAILED]
        self._curves = {trial.number: trial.curve for trial in known}
        self._measures = {  # with one objective they are its curve
            trial.number: {report.epoch: report.measures for report in trial.reports if len(report.measures) > 1}
            for trial in known
        }
        endings = [trial.ending for trial in self._trials.values() if trial.ending is not None]
        self._ended_at_s = max((ending.at_s for ending in endings), default=0.0)
        self._running: set[int] = set()
        self._gpus = space.settings.resources.given_gpus
        self._stop_rules = StopRules(ledger, space, clock=clock, timer=timer)
        ledger.set_note(EXCLUDED_MACHINES, [])
        enqueue_first_points(ledger, space, warm_points=warm_points, is_new=not self._trials)
        self._steering = Steering(ledger, space, trials=lambda: self._trials, on_extended=on_extended, clock=clock)
        self.look(now=True)

    @property
    def is_over(self) -> bool:
        """Whether no trial is left to run."""
        if self.failures_exceeded:
            return True
        return not self._unfinished and (len(self._trials) >= self._ledger.search.limit or self._ended())

    def hold_gpus(self, gpus: float) -> None:
        """Sets the GPUs that each trial holds, once they are measured."""
        self._gpus = gpus
        self._ledger.set_note(GPUS, gpus)

    @property
    def gpus(self) -> float:
        """The GPUs that each trial holds; 0 until they are measured."""
        return self._gpus

    @property
    def report_epochs(self) -> tuple[int, ...]:
        """The epochs after which trials report."""
        return self._scheduler.report_epochs

    @property
    def tasks_running(self) -> int:
        """How many trials are running on workers."""
        return len(self._running)

    @property
    def time_is_up(self) -> bool:
        """Whether running trials are to end at their next report."""
        return self._time_is_up() is not None

    @property
    def failures_exceeded(self) -> bool:
        """Whether more trials failed than the space allows."""
        most = self._space.settings.resources.max_failures
        return too_many_failed(self._failed, max_failures=most)

    @property
    def is_stopped(self) -> bool:
        """Whether a person asked that the search stops, to be resumed later."""
        return self._steering.is_stopped

    @property
    def is_waiting(self) -> bool:
        """Whether what is left to run is paused."""
        if self.failures_exceeded or self._time_is_up() is not None:
            return False
        return bool(self._unfinished) or (self._steering.is_paused and not self._is_complete())

    def look(self, *, now: bool = False) -> None:
        """Obeys what people asked for since the last look."""
        self._steering.look(now=now)

    def is_held(self, number: int) -> bool:
        """Whether a trial is to give its worker back; none is once the time is up, so that it can end."""
        return self._steering.is_held(number) and self._time_is_up() is None

    def paused(self, number: int) -> None:
        """A trial has saved what it had, and its worker is given back."""
        if number in self._running:
            self._running.remove(number)
            self._set_pauses(number, (*self._trials[number].pauses, (self._clock(), None)))
            self._unfinished.insert(0, self._trials[number])

    def _set_pauses(self, number: int, pauses: tuple[Pause, ...]) -> None:
        self._trials[number] = dataclasses.replace(self._trials[number], pauses=pauses)
        self._ledger.set_note(PAUSES, to_note({trial.number: trial.pauses for trial in self._trials.values()}))

    def next_task(self) -> TrialTask | None:
        """The next trial to run, or none: then no more will come, unless ``is_waiting``."""
        while not self.failures_exceeded:
            trial = self._next_trial()
            if trial is None:
                return None
            self._running.add(trial.number)
            self._observe(TrialBegan(trial=trial))
            try:
                return self._task(trial)
            except ConfigError as error:
                self.failed(trial.number, TrialFailure(reason=f"no valid configuration: {error}"))
        return None

    def _next_trial(self) -> TrialRecord | None:
        """A trial to go on with, else the next one that begins; points of a higher priority come before both."""
        held = self._steering.is_paused and self._time_is_up() is None
        free = sorted(
            (trial for trial in self._unfinished if not self.is_held(trial.number)),
            key=lambda trial: -self._steering.priority(trial.number),
        )
        first = [] if held or self._is_complete() else self._steering.first_points()
        if free and not (first and self._steering.priority(first[0]) > self._steering.priority(free[0].number)):
            self._unfinished.remove(free[0])
            number, pauses = free[0].number, free[0].pauses
            if pauses and pauses[-1][1] is None:
                self._set_pauses(number, ended(pauses, at_s=self._clock()))
            return self._trials[number]
        if held or self._is_complete():
            return None
        trial = self._ledger.begin(self._space, at_s=self._clock(), first=first)
        self._trials[trial.number] = trial
        return trial

    def _is_complete(self) -> bool:
        """Whether no further trial begins."""
        return len(self._trials) >= self._ledger.search.limit or self._ended()

    def reported(self, number: int, report: EpochReport) -> Decision:
        """Takes a report and answers it; the same epoch gets the same answer again.

        Epochs that an earlier report has are left out of its ``history``: a trial that lost a checkpoint trains them
        again.
        """
        trial, epoch = self._trials[number], report.epoch
        known = next((record for record in trial.reports if record.epoch == epoch), None)
        if known is not None:
            return known.decision
        own = measures(self._space.settings.objectives, report)
        decision = self._decide(number, epoch, own)
        is_over = self._time_is_up() is not None or self._steering.is_to_end(number)
        if epoch < self._space.base.budget.epochs and is_over:
            decision = Decision.STOP
        record = ReportRecord(
            epoch=epoch,
            metrics=report.metrics,
            history=tuple((before, losses) for before, losses in report.history if before > trial.epoch),
            checkpoint=self._inside(report.checkpoint),
            value=own[0],
            decision=decision,
            at_s=self._clock(),
            measures=own,
            standard_errors=report.standard_errors,
            machine=report.machine,
            standard_error=report.standard_errors.get(self._space.settings.signal.metric),
            checkpoint_writes=report.checkpoint_writes,
        )
        self._ledger.record_report(number, record)
        self._curves.setdefault(number, {})[epoch] = record.value
        if len(own) > 1:
            self._measures.setdefault(number, {})[epoch] = own
        kept = dataclasses.replace(record, history=())  # the losses are for observers and the ledger
        self._trials[number] = dataclasses.replace(trial, reports=(*trial.reports, kept))
        self._observe(TrialReported(number=number, report=record))
        return decision

    def finished(self, number: int, outcome: TrialOutcome) -> None:
        """A trial came to its end, with its downstream metrics."""
        self._end(
            number,
            Ending(
                state=TrialState.PRUNED if outcome.stopped_early else TrialState.COMPLETE,
                epoch=outcome.epoch,
                at_s=self._end_s(),
                metrics=outcome.metrics,
                checkpoint=str(self._inside(outcome.checkpoint)),
            ),
        )

    def failed(self, number: int, failure: TrialFailure) -> None:
        """A trial cannot go on."""
        self._end(
            number,
            Ending(
                state=TrialState.FAILED,
                epoch=self._trials[number].epoch,
                at_s=self._end_s(),
                reason=failure.reason,
                traceback=failure.traceback,
            ),
        )

    def lost(self, number: int, *, reason: str) -> None:
        """A trial's worker was lost; the trial is handed out next, or ends here where the time is up."""
        if number not in self._running:
            return
        trial = self._trials[number]
        if self._time_is_up() is None:
            self._running.remove(number)
            self._unfinished.insert(0, trial)
            return
        epochs = self._space.base.budget.epochs
        self._end(number, lost_ending(trial, epochs=epochs, reason=reason, at_s=self._end_s()))

    def machine_excluded(self, *, host: str, reason: str, trials: Sequence[int]) -> None:
        """A machine gets no further trial from this driver; the ledger notes it for ``status``."""
        excluded = {"host": host, "reason": reason, "trials": list(trials), "at_s": self._clock()}
        self._ledger.set_note(EXCLUDED_MACHINES, [*(self._ledger.note(EXCLUDED_MACHINES) or []), excluded])

    def _end(self, number: int, ending: Ending) -> None:
        if number not in self._running:
            return
        self._ledger.record_ending(number, ending)
        # The ledger has all of it, and no task is made of it any more: thousands of them take memory.
        self._trials[number] = ended = slim(self._trials[number], ending)
        if ending.state is TrialState.FAILED:
            self._failed.append(ended)
        self._running.remove(number)
        self._observe(TrialEnded(number=number, ending=ending))

    def _decide(self, number: int, epoch: int, own: Measures) -> Decision:
        """The scheduler's answer; with several objectives it compares by Pareto fronts at the epoch."""
        objectives = self._space.settings.objectives
        curves: Mapping[int, Mapping[int, float]] = self._curves
        value = own[0]
        if len(objectives) > 1:
            peers = {other: at[epoch] for other, at in self._measures.items() if epoch in at}
            value, others = scheduler_scores(number, own, peers, objectives)
            curves = {other: {epoch: score} for other, score in others.items()}
        return self._scheduler.decide(number=number, epoch=epoch, value=value, curves=curves)

    def _ended(self) -> bool:
        """Whether a rule of the space ends the search."""
        return self._stop_rules.has_ended(self._trials.values(), gpus=self._gpus)

    def _time_is_up(self) -> str | None:
        return self._stop_rules.time_is_up(self._trials.values(), gpus=self._gpus)

    def _end_s(self) -> float:
        """Now, and never before an ending that the ledger has: a clock that was set back reorders no trials."""
        self._ended_at_s = max(self._clock(), self._ended_at_s)
        return self._ended_at_s

    def _inside(self, checkpoint: Path) -> Path:
        """A checkpoint relative to the trials' folders, which stays true when the home is moved."""
        return checkpoint.relative_to(self._directory) if checkpoint.is_relative_to(self._directory) else checkpoint

    def _task(self, trial: TrialRecord) -> TrialTask:
        key = self._ledger.search.key
        return TrialTask(
            number=trial.number,
            config=config_of(trial, self._space),
            directory=self._directory / f"{trial.number:04d}",
            report_epochs=self._scheduler.report_epochs,
            cpus=self._space.settings.resources.cpus,
            gpus=self._gpus,
            key=f"{key}/{trial.number}" if key else "",
            reported=trial.reports[-1].epoch if trial.reports else 0,
        )

"""Steers a search: ledger, scheduler and observers on one side, whatever executes trials on the other.

An executor asks for tasks and hands over what workers say. Each step is in the ledger before the executor
gets its answer, and every step may come twice.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.config.space_rules import flat
from hico_platform.errors import ConfigError
from hico_platform.search.events import Observer, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.ledger.base import Ending, Ledger, Metrics, Origin, ReportRecord, TrialRecord, TrialState
from hico_platform.search.scheduler.base import Scheduler
from hico_platform.search.stopping import good_enough, time_is_up
from hico_platform.search.task import TrialTask
from hico_platform.vocabulary import Decision

SCORE = "knn_top1"
# Notes of the ledger: when each driver began, and which rule ended the search.
SESSIONS, ENDED_BY = "sessions", "ended_by"
# Note: the GPUs that a trial holds, given by the space or measured.
GPUS = "gpus"


class Steering:
    """The course of one search.

    Args:
        ledger: what is remembered; its unfinished trials are taken up first.
        space: what is searched, with resources and the cap on failures.
        scheduler: which trials go on.
        directory: trials keep their checkpoints in ``directory/0003`` and so on.
        observe: is told what happened, after the ledger knows.
        warm_points: points that a new search tries after the base and the points that the space lists.
        clock: Unix time in seconds.
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
    ) -> None:
        self._ledger = ledger
        self._ended_by: str | None = None
        self._space = space
        self._scheduler = scheduler
        self._directory = directory
        self._observe = observe
        self._clock = clock
        self._trials = {trial.number: trial for trial in ledger.trials()}
        self._cut_off = [trial for trial in self._trials.values() if not trial.state.is_final]
        self._curves = {number: trial.curve for number, trial in self._trials.items()}
        self._at_work: set[int] = set()
        self._gpus = space.settings.resources.given_gpus
        self._began_at_s = clock()
        self._sessions = [*(ledger.note(SESSIONS) or []), self._began_at_s]
        ledger.set_note(SESSIONS, self._sessions)
        ledger.set_note(ENDED_BY, None)
        if not self._trials:
            ledger.enqueue(_fields(space), space=space, origin=Origin.BASE)
            for point in space.settings.points:
                ledger.enqueue(_fields(space) | flat(point), space=space, origin=Origin.LISTED)
            for values in warm_points:
                ledger.enqueue(_fields(space) | dict(values), space=space, origin=Origin.WARM_START)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be carried out."""
        if self.failures_exceeded:
            return True
        return not self._cut_off and (len(self._trials) >= self._ledger.search.limit or self._ended())

    def hold_gpus(self, gpus: float) -> None:
        """Takes note of the GPUs that a trial holds, once they are measured."""
        self._gpus = gpus
        self._ledger.set_note(GPUS, gpus)

    @property
    def at_work(self) -> int:
        """How many trials are with workers."""
        return len(self._at_work)

    @property
    def failures_exceeded(self) -> bool:
        """Whether more trials failed than the space allows."""
        failed = sum(trial.state is TrialState.FAILED for trial in self._trials.values())
        return failed > self._space.settings.resources.max_failures

    def next_task(self) -> TrialTask | None:
        """The next trial to carry out, or nothing: then no more will come."""
        while not self.failures_exceeded:
            if self._cut_off:
                trial = self._cut_off.pop(0)
            elif len(self._trials) < self._ledger.search.limit and not self._ended():
                trial = self._ledger.begin(self._space, at_s=self._clock())
                self._trials[trial.number] = trial
            else:
                return None
            self._at_work.add(trial.number)
            self._observe(TrialBegan(trial=trial))
            try:
                return self._task(trial)
            except ConfigError as error:
                self.failed(trial.number, reason=f"no valid configuration: {error}", traceback=None)
        return None

    def reported(
        self,
        number: int,
        *,
        epoch: int,
        metrics: Metrics,
        history: Sequence[tuple[int, Metrics]],
        checkpoint: str,
    ) -> Decision:
        """Takes a report and answers it; the same epoch gets the same answer again.

        Epochs that an earlier report told of are left out of ``history``: a trial that lost a checkpoint
        trains them again.
        """
        trial = self._trials[number]
        known = next((report for report in trial.reports if report.epoch == epoch), None)
        if known is not None:
            return known.decision
        value = metrics[SCORE]
        decision = self._scheduler.decide(number=number, epoch=epoch, value=value, curves=self._curves)
        if epoch < self._space.base.budget.epochs and self._time_is_up() is not None:
            decision = Decision.STOP
        report = ReportRecord(
            epoch=epoch,
            value=value,
            metrics=metrics,
            history=[(before, losses) for before, losses in history if before > trial.epoch],
            decision=decision,
            checkpoint=checkpoint,
            at_s=self._clock(),
        )
        self._ledger.record_report(number, report)
        self._curves.setdefault(number, {})[epoch] = value
        told = dataclasses.replace(report, history=())  # the losses are for observers and the ledger
        self._trials[number] = dataclasses.replace(trial, reports=(*trial.reports, told))
        self._observe(TrialReported(number=number, report=report))
        return decision

    def finished(
        self, number: int, *, epoch: int, stopped_early: bool, metrics: Mapping[str, float], checkpoint: str
    ) -> None:
        """A trial came to its end, with its downstream metrics."""
        self._end(
            number,
            Ending(
                state=TrialState.PRUNED if stopped_early else TrialState.COMPLETE,
                epoch=epoch,
                at_s=self._clock(),
                metrics=metrics,
                checkpoint=checkpoint,
            ),
        )

    def failed(self, number: int, *, reason: str, traceback: str | None) -> None:
        """A trial cannot go on."""
        epoch = self._trials[number].epoch
        self._end(
            number,
            Ending(state=TrialState.FAILED, epoch=epoch, at_s=self._clock(), reason=reason, traceback=traceback),
        )

    def lost(self, number: int) -> None:
        """A trial's worker is gone; the trial is the next to be handed out."""
        if number in self._at_work:
            self._at_work.remove(number)
            self._cut_off.insert(0, self._trials[number])

    def _end(self, number: int, ending: Ending) -> None:
        if number not in self._at_work:
            return
        self._ledger.record_ending(number, ending)
        self._trials[number] = dataclasses.replace(self._trials[number], state=ending.state, ending=ending)
        self._at_work.remove(number)
        self._observe(TrialEnded(number=number, ending=ending))

    def _ended(self) -> bool:
        """Whether a rule of the space ends the search; the ledger notes which."""
        reason = self._time_is_up() or good_enough(self._space.settings.stop, list(self._trials.values()))
        if reason is not None and self._ended_by is None:
            self._ended_by = reason
            self._ledger.set_note(ENDED_BY, reason)
        return reason is not None

    def _time_is_up(self) -> str | None:
        return time_is_up(
            self._space.settings.stop,
            list(self._trials.values()),
            began_at_s=self._began_at_s,
            now_s=self._clock(),
            sessions=self._sessions,
            gpus=self._gpus,
        )

    def _task(self, trial: TrialRecord) -> TrialTask:
        return TrialTask(
            number=trial.number,
            config=self._space.config(trial.values),
            directory=self._directory / f"{trial.number:04d}",
            report_epochs=self._scheduler.report_epochs,
            cpus=self._space.settings.resources.cpus,
            gpus=self._gpus,
        )


def _fields(space: CheckedSpace) -> dict[str, Scalar]:
    """The base's values, by dotted names."""
    return {name: value for name, value in flatten(space.base).items() if value is not None}

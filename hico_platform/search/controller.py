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
from hico_platform.config.trial import TrialConfig
from hico_platform.enums import Decision
from hico_platform.errors import ConfigError
from hico_platform.search.events import Observer, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.ledger.base import (
    Ending,
    Ledger,
    Origin,
    ReportRecord,
    TrialRecord,
    TrialState,
    config_of,
)
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.objectives import Measures, measures, standing
from hico_platform.search.scheduler.base import Scheduler
from hico_platform.search.state import too_many_failed
from hico_platform.search.stopping import good_enough, grid_is_done, lost_ending, time_is_up
from hico_platform.search.task import TrialTask

SCORE = "knn_top1"
# Notes of the ledger: when each driver began, which rule ended the search, and the points that were put in line.
SESSIONS, ENDED_BY, ASKED = "sessions", "ended_by", "asked"
# Note: the GPUs that a trial holds, given by the space or measured.
GPUS = "gpus"
# Note: machines on which this driver begins no further trial, each with host, reason, trials and at_s.
MACHINES_LEFT_OUT = "machines_left_out"


class SearchController:
    """The course of one search.

    Args:
        ledger: what is remembered; its unfinished trials are taken up first.
        space: what is searched, with resources and the cap on failures.
        scheduler: which trials go on.
        directory: trials keep their checkpoints in ``directory/0003`` and so on.
        observe: is told what happened, after the ledger knows.
        warm_points: points of earlier searches, tried after those that the space gives.
        clock: Unix time in seconds.
        timer: seconds since any moment, for ``stop.hours``: a machine's clock may be set. Without one it is the
            clock, where one is given.
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
        self._measures = {
            number: {report.epoch: report.measures for report in trial.reports if report.measures}
            for number, trial in self._trials.items()
        }
        endings = [trial.ending for trial in self._trials.values() if trial.ending is not None]
        self._ended_at_s = max((ending.at_s for ending in endings), default=0.0)
        self._at_work: set[int] = set()
        self._gpus = space.settings.resources.given_gpus
        self._timer = timer or (time.monotonic if clock is time.time else clock)
        self._began_s = self._timer()
        self._sessions = [*(ledger.note(SESSIONS) or []), clock()]
        ledger.set_note(SESSIONS, self._sessions)
        ledger.set_note(ENDED_BY, None)
        ledger.set_note(MACHINES_LEFT_OUT, [])
        self._judged: tuple[int, float | None] = (0, None)
        self._put_in_line(warm_points)

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
    def time_is_up(self) -> bool:
        """Whether trials at work are to end at their next report."""
        return self._time_is_up() is not None

    @property
    def failures_exceeded(self) -> bool:
        """Whether more trials failed than the space allows."""
        most = self._space.settings.resources.max_failures
        return too_many_failed(list(self._trials.values()), max_failures=most)

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
                self.failed(trial.number, TrialFailure(reason=f"no valid configuration: {error}"))
        return None

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
        if epoch < self._space.base.budget.epochs and self._time_is_up() is not None:
            decision = Decision.STOP
        record = ReportRecord(
            epoch=epoch,
            metrics=report.metrics,
            history=tuple((before, losses) for before, losses in report.history if before > trial.epoch),
            checkpoint=self._inside(report.checkpoint),
            value=report.metrics[SCORE],
            decision=decision,
            at_s=self._clock(),
            measures=own,
        )
        self._ledger.record_report(number, record)
        self._curves.setdefault(number, {})[epoch] = record.value
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
        """A trial's worker is gone; the trial is the next to be handed out, or over where the time is up."""
        if number not in self._at_work:
            return
        trial = self._trials[number]
        if self._time_is_up() is None:
            self._at_work.remove(number)
            self._cut_off.insert(0, trial)
            return
        epochs = self._space.base.budget.epochs
        self._end(number, lost_ending(trial, epochs=epochs, reason=reason, at_s=self._end_s()))

    def left_out(self, *, host: str, reason: str, trials: Sequence[int]) -> None:
        """A machine gets no further trial from this driver; the ledger notes it for whoever looks."""
        found = {"host": host, "reason": reason, "trials": list(trials), "at_s": self._clock()}
        self._ledger.set_note(MACHINES_LEFT_OUT, [*(self._ledger.note(MACHINES_LEFT_OUT) or []), found])

    def _end(self, number: int, ending: Ending) -> None:
        if number not in self._at_work:
            return
        self._ledger.record_ending(number, ending)
        self._trials[number] = dataclasses.replace(self._trials[number], state=ending.state, ending=ending)
        self._at_work.remove(number)
        self._observe(TrialEnded(number=number, ending=ending))

    def _decide(self, number: int, epoch: int, own: Measures) -> Decision:
        """The scheduler's answer; with several objectives it compares by Pareto fronts at the epoch."""
        objectives = self._space.settings.objectives
        curves: Mapping[int, Mapping[int, float]] = self._curves
        value = own[0]
        if len(objectives) > 1:
            peers = {other: at[epoch] for other, at in self._measures.items() if epoch in at}
            value, others = standing(number, own, peers, objectives)
            curves = {other: {epoch: score} for other, score in others.items()}
        return self._scheduler.decide(number=number, epoch=epoch, value=value, curves=curves)

    def _put_in_line(self, warm_points: Sequence[Mapping[str, Scalar]]) -> None:
        """Given points come before what the sampler proposes, each once, also where a resumed search has new ones."""
        space, base = self._space, _fields(self._space.base)
        released = {name: _fields(TrialConfig()).get(name) for name in space.searched}
        points = [] if self._trials else [(Origin.RELEASED, base | _known(released)), (Origin.BASE, base)]
        points += [(Origin.LISTED, base | flat(point)) for point in space.settings.points]
        points += [(Origin.WARM_START, base | dict(values)) for values in warm_points]
        asked = list(self._ledger.note(ASKED) or [])
        for origin, values in points:
            place = space.place(values)
            if place not in asked:
                asked.append(place)
                if space.admits(place):
                    self._ledger.enqueue(values, space=space, origin=origin)
        self._ledger.set_note(ASKED, asked)

    def _ended(self) -> bool:
        """Whether a rule of the space ends the search; the ledger notes which."""
        trials = list(self._trials.values())
        reason = (
            self._time_is_up()
            or good_enough(self._space.settings.stop, trials)
            or self._nothing_to_gain(trials)
            or grid_is_done(self._space, trials)
        )
        if reason is not None and self._ended_by is None:
            self._ended_by = reason
            self._ledger.set_note(ENDED_BY, reason)
        return reason is not None

    def _nothing_to_gain(self, trials: Sequence[TrialRecord]) -> str | None:
        """Whether Optuna's terminator sees too little to gain; asked again when another trial is complete."""
        least = self._space.settings.stop.improvement
        if least is None:
            return None
        complete = sum(trial.state is TrialState.COMPLETE for trial in trials)
        if complete != self._judged[0]:
            from hico_platform.search.ledger.terminator import improvement_left

            self._judged = complete, improvement_left(self._space, trials)
        left = self._judged[1]
        if left is None or left >= least:
            return None
        return f"at most {left:.4f} is still to gain, less than {least:g}"

    def _time_is_up(self) -> str | None:
        return time_is_up(
            self._space.settings.stop,
            list(self._trials.values()),
            running_s=self._timer() - self._began_s,
            now_s=self._clock(),
            sessions=self._sessions,
            gpus=self._gpus,
        )

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
        )


def _fields(config: TrialConfig) -> dict[str, Scalar]:
    """A configuration's values, by dotted names."""
    return _known(flatten(config))


def _known(values: Mapping[str, Scalar | None]) -> dict[str, Scalar]:
    return {name: value for name, value in values.items() if value is not None}

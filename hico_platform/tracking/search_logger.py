"""Mirrors a search from its ledger into the tracking store: a parent run, and a child run for each trial.

The ledger has everything first, with its times, and a run is known by its key. So the mirror may be cut off
anywhere and made whole later: what is there already is not written twice. The ledger is also the spool: while
the store is away the line of writes grows to its limit and no further, and is then made again from the ledger.
Uploads have a line of their own, so that a slow or refused one holds up no metric; a tag says which are missing.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.errors import ConfigError, HicoError
from hico_platform.masking import masked
from hico_platform.search.best_so_far import BestPoint, BestSoFar
from hico_platform.search.controller import SCORE
from hico_platform.search.drivers import DriverRecord, driver_at, starter
from hico_platform.search.events import Event, TrialBegan, TrialReported
from hico_platform.search.ledger.base import (
    Ending,
    Ledger,
    ReportRecord,
    SearchRecord,
    TrialRecord,
    TrialState,
    best_trial,
    config_of,
)
from hico_platform.search.state import TrialStatus
from hico_platform.tracking.base import PARENT_TAG, USER_TAG, Point, Run, RunStatus, Tracker, TrackingRefused
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.uploads import (
    KEPT,
    MOST_ANSWERS,
    TAG_CHARACTERS,
    UPLOADS_TAG,
    WAITING,
    are_missing,
    keep_files,
)

STATE_TAG = "hico.state"
METRICS_TAG = "hico.metrics"
"""Of a run that ended while metrics of it were ``refused``: whether a later driver had them ``kept``."""
BEST_STEP_TAG = "hico.best_step"
"""What the steps of the best score count; a search without it has steps that are numbers of trials."""

_STATUS = {
    TrialState.COMPLETE: RunStatus.FINISHED,
    TrialState.PRUNED: RunStatus.FINISHED,
    TrialState.FAILED: RunStatus.FAILED,
    TrialState.RUNNING: RunStatus.KILLED,
}


class SearchLogger:
    """Writes what happens to the tracking store, in the background.

    Args:
        ledger: what is mirrored, and where run ids are noted.
        space: gives the configuration of each trial.
        tracker: the store.
        outbox: the line of writes.
        checkpoint: where a checkpoint lies that the ledger names.
        uploads: the line of uploads; by default one of its own.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        space: CheckedSpace,
        tracker: Tracker,
        outbox: Outbox,
        checkpoint: Callable[[str], Path],
        uploads: Outbox | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._space = space
        self._tracker = tracker
        self._outbox = outbox
        self._checkpoint = checkpoint
        self._uploads = uploads or Outbox(most_answers=MOST_ANSWERS)
        self._clock = clock
        self._search = ledger.search
        self._drivers = ledger.drivers()
        self._runs: dict[int, str] = {}
        self._parent = ""
        self._values: dict[int, float | None] = {}
        self._best = BestSoFar()
        self._written: set[BestPoint] = set()
        self._best_tagged: int | None = None
        self._whole: set[int] = set()
        self._metrics: dict[int, str] = {}
        self._last: dict[int, ReportRecord] = {}
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._behind = threading.Event()
        outbox.submit(self._open)

    def __call__(self, event: Event) -> None:
        """Puts the mirroring of an event in line; in a full line, what the ledger will say instead."""
        if isinstance(event, TrialBegan):
            self._begun.add(event.trial.number)
            self._values[event.trial.number] = event.trial.value
        elif isinstance(event, TrialReported):
            self._values[event.number] = event.report.value
        else:
            value = self._values.pop(event.number, None)
            self._ended.add(event.number)
        if self._behind.is_set():
            return  # the ledger is read when the line has come there
        if self._outbox.is_full:
            self._behind.set()
            self._outbox.submit(self._catch_up)
        elif isinstance(event, TrialBegan):
            self._outbox.submit(functools.partial(self._begin, event.trial, fresh=not event.trial.reports))
        elif isinstance(event, TrialReported):
            self._outbox.submit(functools.partial(self._report, event.number, event.report))
        else:
            self._outbox.submit(functools.partial(self._end, event.number, event.ending, value))

    @property
    def refused(self) -> int:
        """Writes that the store refused."""
        return self._outbox.refused + self._uploads.refused

    @property
    def refusal(self) -> str | None:
        """Why the first of them was refused."""
        return self._outbox.refusal or self._uploads.refusal

    def close(self, *, status: RunStatus, patience_s: float, at_most_s: float = float("inf")) -> int:
        """Ends the search's run, and as killed the runs of trials that have not ended.

        Args:
            status: how the search ended.
            patience_s: how long a store that is away is waited for.
            at_most_s: the end in any case, however slow the store is.

        Returns:
            how many writes were given up because the store stayed away.
        """
        for number in self._unfinished():
            self._outbox.submit(functools.partial(self._put_down, number))
        self._outbox.submit(functools.partial(self._close, status, self._clock()))
        for line in (self._outbox, self._uploads):  # one deadline for both
            line.hurry(patience_s=patience_s, at_most_s=at_most_s)
        return self._outbox.close(patience_s=patience_s) + self._uploads.close(patience_s=patience_s)

    def _unfinished(self) -> list[int]:
        """Trials that have not ended; where the study was deleted meanwhile, those that this driver saw begin."""
        try:
            return [trial.number for trial in self._ledger.trials() if not trial.state.is_final]
        except HicoError:
            return sorted(self._begun - self._ended)

    def _open(self) -> None:
        """Opens the search's run, and writes what an earlier driver did not get to write."""
        trials = self._ledger.trials()
        known = self._tracker.runs(self._search.name) if trials else {}
        before = known.get(key_of(self._search))
        by_number = before is not None and BEST_STEP_TAG not in before.tags
        self._best = BestSoFar(beyond_numbers=by_number)
        with self._outbox.leaving_out_what_is_refused():
            self._parent = self._open_search(fresh=not trials, by_number=by_number)
            self._ledger.set_note("run", self._parent)
        for trial in trials:
            if trial.ending is not None:
                self._note_best(trial.number, trial.ending, trial.value)
        if by_number and self._best.last is not None:
            self._written.update(self._best.points[:-1])  # they are there, at other steps
        self._settle(trials, known, in_line=self._begun)
        with self._outbox.leaving_out_what_is_refused():
            self._write_best()

    def _open_search(self, *, fresh: bool, by_number: bool) -> str:
        facts = self._search.facts
        return self._tracker.open_run(
            experiment=self._search.name,
            key=key_of(self._search),
            name=self._search.name,
            parent=None,
            params=flatten(self._space.base),
            tags={
                **self._tags(),
                **_user_tag(starter(self._drivers)),
                "hico.kind": "search",
                "hico.trials": str(self._search.limit),
                "hico.sampler": str(self._space.settings.sampler.name),
                "hico.scheduler": str(self._space.settings.scheduler.name),
                "mlflow.note.content": self._space.settings.description,
                **({} if by_number else {BEST_STEP_TAG: "trials that have ended"}),
                **{f"hico.{name}": masked(str(value)) for name, value in facts.more.items()},
            },
            at_s=self._search.began_at_s,
            fresh=fresh,
        )

    def _catch_up(self) -> None:
        """Writes what the ledger has and the store has not, once the store is back."""
        if not self._outbox.is_full:  # else another of these is in line already
            self._behind.clear()  # first: what is not in the ledger yet is put in line again
        trials = self._ledger.trials()
        self._settle(trials, self._tracker.runs(self._search.name) if trials else {})

    def _settle(
        self, trials: Sequence[TrialRecord], known: Mapping[str, Run], *, in_line: Collection[int] = ()
    ) -> None:
        """Makes the runs of trials whole that have ended, or are at work since this driver began.

        All that happened to trials ``in_line`` is in line behind this write; only their runs are looked up.
        """
        for trial in trials:
            run = known.get(key_of(self._search, trial.number))
            if run is not None:
                self._runs[trial.number] = run.run_id
            if trial.number in in_line or trial.number in self._whole:
                continue
            with self._outbox.leaving_out_what_is_refused():
                if trial.ending is None:
                    if trial.number in self._begun:
                        self._begin(trial, fresh=False)
                elif run is None or not _is_settled(run, trial.ending):
                    if run is not None and METRICS_TAG in run.tags:
                        self._metrics[trial.number] = KEPT
                    self._begin(trial, fresh=False)
                    self._end(trial.number, trial.ending, trial.value)
                else:
                    if run.tags.get(PARENT_TAG) != self._parent:  # the search's run was deleted, and made anew
                        self._tracker.set_tags(run.run_id, {PARENT_TAG: self._parent})
                    if are_missing(run):
                        self._upload(trial.number, trial.ending)
            if trial.ending is not None:
                self._whole.add(trial.number)

    def _begin(self, trial: TrialRecord, *, fresh: bool) -> None:
        run_id = self._tracker.open_run(
            experiment=self._search.name,
            key=key_of(self._search, trial.number),
            name=f"{self._search.name}-{trial.number:04d}",
            parent=self._parent or None,
            params=self._params(trial),
            tags={
                **self._tags(),
                **_user_tag(driver_at(self._drivers, trial.began_at_s)),
                "hico.kind": "trial",
                "hico.trial": str(trial.number),
                "hico.origin": str(trial.origin),
                STATE_TAG: str(TrialState.RUNNING),
            },
            at_s=trial.began_at_s,
            fresh=fresh and trial.number not in self._runs,
        )
        if trial.run_id != run_id:
            self._ledger.record_run(trial.number, run_id)
        self._runs[trial.number] = run_id
        for report in trial.reports:
            with self._outbox.leaving_out_what_is_refused():
                self._report(trial.number, report)

    def _params(self, trial: TrialRecord) -> Mapping[str, Scalar | None]:
        """The whole configuration; what was drawn, where that breaks a rule between fields."""
        try:
            return flatten(config_of(trial, self._space))
        except ConfigError:
            return trial.values

    def _report(self, number: int, report: ReportRecord) -> None:
        run_id = self._run_of(number)
        earlier = [Point(epoch=epoch, at_s=report.at_s, metrics=losses) for epoch, losses in report.history]
        now = Point(epoch=report.epoch, at_s=report.at_s, metrics=report.metrics)
        self._last[number] = dataclasses.replace(report, history=())
        try:
            self._tracker.log_points(run_id, [*earlier, now])
        except TrackingRefused as error:
            self._metrics[number] = f"refused: {error}"[:TAG_CHARACTERS]
            raise

    def _end(self, number: int, ending: Ending, value: float | None) -> None:
        self._note_best(number, ending, value)
        run_id = self._run_of(number)
        tags = {STATE_TAG: str(ending.state)}
        if ending.reason is not None:
            tags["hico.reason"] = ending.reason[:TAG_CHARACTERS]
        if self._files(ending):
            tags[UPLOADS_TAG] = WAITING
        if number in self._metrics:
            tags[METRICS_TAG] = self._metrics[number]
        last = self._last.get(number)
        reported = last.metrics if last is not None and last.epoch == ending.epoch else {}
        metrics = {name: value for name, value in ending.metrics.items() if name not in reported}
        self._tracker.close_run(
            run_id,
            status=_STATUS[ending.state],
            points=[Point(epoch=ending.epoch, at_s=ending.at_s, metrics=metrics)] if metrics else [],
            tags=tags,
            at_s=ending.at_s,
        )
        self._last.pop(number, None)
        self._write_best()
        self._whole.add(number)
        self._upload(number, ending)

    def _run_of(self, number: int) -> str:
        if number not in self._runs:
            raise TrackingRefused(f"the run of trial {number} could not be opened")
        return self._runs[number]

    def _upload(self, number: int, ending: Ending) -> None:
        """Puts the files of a run that has ended in line; in a full line, the next driver finds them missing."""
        files = self._files(ending)
        if files and not self._uploads.is_full:
            self._uploads.submit(functools.partial(keep_files, self._tracker, self._runs[number], files))

    def _files(self, ending: Ending) -> Mapping[str, Path | str]:
        """The files of a trial that has ended, by the names of their artifacts; texts as they are."""
        files: dict[str, Path | str] = {}
        if ending.checkpoint is not None and (checkpoint := self._checkpoint(ending.checkpoint)).exists():
            files["checkpoint"] = checkpoint
        if ending.traceback:
            files["traceback.txt"] = ending.traceback
        return files

    def _note_best(self, number: int, ending: Ending, value: float | None) -> None:
        self._best.add(number, state=ending.state, value=value, at_s=ending.at_s)

    def _write_best(self) -> None:
        """Writes what is new of the best score, and which trial has it."""
        if not self._parent:
            return
        # One, unless a clock went back: then all that follow have other steps.
        new = list(itertools.takewhile(lambda point: point not in self._written, reversed(self._best.points)))
        points = [Point(epoch=one.step, at_s=one.at_s, metrics={f"best_{SCORE}": one.value}) for one in reversed(new)]
        last = self._best.last
        is_new = last is not None and last.number != self._best_tagged
        if last is not None and (points or is_new):
            tags = _best_tags(last.number, self._runs.get(last.number)) if is_new else None
            self._tracker.log_points(self._parent, points, tags=tags)
            self._written.update(new)
            self._best_tagged = last.number

    def _put_down(self, number: int) -> None:
        if number in self._runs:
            self._tracker.close_run(
                self._runs[number],
                status=RunStatus.KILLED,
                points=[],
                tags={STATE_TAG: str(TrialStatus.INTERRUPTED)},
                at_s=self._clock(),
            )

    def _close(self, status: RunStatus, at_s: float) -> None:
        if not self._parent:
            raise TrackingRefused("the run of the search could not be opened")
        with self._outbox.leaving_out_what_is_refused():
            self._write_best()
        try:
            best = best_trial(self._ledger.trials())
        except HicoError:  # the study was deleted: what the run says of its best stays
            best = None
        tags = {} if best is None else _best_tags(best.number, best.run_id)
        at_s = max(at_s, self._search.began_at_s)  # a clock may have been set back
        self._tracker.close_run(self._parent, status=status, points=[], tags=tags, at_s=at_s)

    def _tags(self) -> Mapping[str, str]:
        facts = self._search.facts
        return {
            "hico.search": self._search.name,
            "hico.data_digest": facts.data_digest,
            "hico.protocol": facts.protocol,
            "hico.split": "validation subjects of the training split",
            "hico.code_version": facts.code_version,
            "hico.seed": str(self._space.base.budget.seed),
            "hico.budget_epochs": str(self._space.base.budget.epochs),
        }


def key_of(search: SearchRecord, number: int | None = None) -> str:
    """The key of a search's run, or of a trial's; a search begun anew under an old name has other keys."""
    key = f"{search.name}@{search.began_at_s:.6f}"
    return key if number is None else f"{key}/{number}"


def _user_tag(driver: DriverRecord | None) -> Mapping[str, str]:
    """The person of a run; the same whoever mirrors it, and none where that is not known."""
    return {} if driver is None else {USER_TAG: driver.user}


def _best_tags(number: int, run_id: str | None) -> Mapping[str, str]:
    return {"hico.best_trial": str(number), "hico.best_run": run_id or ""}


def _is_settled(run: Run, ending: Ending) -> bool:
    has_ended = run.status is not RunStatus.RUNNING and run.tags.get(STATE_TAG) == str(ending.state)
    return has_ended and run.tags.get(METRICS_TAG, KEPT) == KEPT

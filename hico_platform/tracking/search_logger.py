"""Logs a search from its ledger to the tracking store, in the background.

The ledger has everything first, with its times, and a run is known by its key. So the logger may be interrupted at any
time and complete its runs later: nothing is written twice. The ledger is also the spool: while the store is away the
outbox grows to its limit and no further, and what did not fit is then read from the ledger. Uploads have an outbox of
their own; a tag of a run tells whether its files are missing.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from hico_platform.config.space import CheckedSpace
from hico_platform.errors import HicoError
from hico_platform.search.events import Event, TrialBegan, TrialReported
from hico_platform.search.ledger.base import Ending, Ledger, TrialRecord, best_trial
from hico_platform.tracking.background import BackgroundLogger
from hico_platform.tracking.base import PARENT_TAG, Run, RunStatus, Tracker, TrackingRefused
from hico_platform.tracking.best_score import BEST_STEP_TAG, BestScoreLogger, best_tags
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_runs import METRICS_TAG, SearchRuns, is_complete, key_of
from hico_platform.tracking.uploads import UPLOADS_TAG, WAITING, are_missing, keep_files


class SearchLogger(BackgroundLogger):
    """An observer of a search's events that writes them to the tracking store, in the background.

    Args:
        ledger: what is logged, and where the ids of runs are recorded.
        space: gives the configuration of each trial.
        tracker: the store.
        outbox: the writes that wait.
        checkpoint: the path of a checkpoint that the ledger names.
        uploads: the uploads that wait; by default an outbox of its own.
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
        super().__init__(outbox=outbox, uploads=uploads)
        self._ledger = ledger
        self._tracker = tracker
        self._checkpoint = checkpoint
        self._clock = clock
        self._search = ledger.search
        self._runs = SearchRuns(ledger=ledger, space=space, tracker=tracker)
        self._metric = space.settings.signal.metric
        self._best = BestScoreLogger(tracker, metric=self._metric)
        self._values: dict[int, float | None] = {}
        self._logged: set[int] = set()  # trials whose runs are complete
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._behind = threading.Event()
        outbox.submit(self._open)

    def __call__(self, event: Event) -> None:
        """Submits the writes of an event; with a full outbox, one write of all that the ledger has by then."""
        if isinstance(event, TrialBegan):
            self._begun.add(event.trial.number)
            self._values[event.trial.number] = event.trial.value
        elif isinstance(event, TrialReported):
            self._values[event.number] = event.report.value
        else:
            value = self._values.pop(event.number, None)
            self._ended.add(event.number)
        if self._behind.is_set():
            return  # a write that reads the ledger is submitted already
        if self._outbox.is_full:
            self._behind.set()
            self._outbox.submit(self._catch_up)
        elif isinstance(event, TrialBegan):
            self._outbox.submit(functools.partial(self._begin, event.trial, fresh=not event.trial.reports))
        elif isinstance(event, TrialReported):
            self._outbox.submit(functools.partial(self._runs.report, event.number, event.report))
        else:
            self._outbox.submit(functools.partial(self._end, event.number, event.ending, value))

    def close(self, *, status: RunStatus, patience_s: float, at_most_s: float = float("inf")) -> int:
        """Ends the search's run, and as killed the runs of trials that have not ended.

        Args:
            status: how the search ended.
            patience_s: how long a store that is away is waited for.
            at_most_s: the longest that closing takes, however slow the store is.

        Returns:
            how many writes were given up because the store stayed away.
        """
        for number in self._unfinished():
            self._outbox.submit(functools.partial(self._interrupt, number))
        self._outbox.submit(functools.partial(self._end_search, status, self._clock()))
        self._hurry(patience_s=patience_s, at_most_s=at_most_s)
        return self._outbox.close(patience_s=patience_s) + self._uploads.close(patience_s=patience_s)

    def _unfinished(self) -> list[int]:
        """Trials that have not ended; where the study has been deleted, those that began under this driver."""
        try:
            return [trial.number for trial in self._ledger.trials() if not trial.state.is_final]
        except HicoError:
            return sorted(self._begun - self._ended)

    def _open(self) -> None:
        """Opens the search's run, and writes what an earlier driver did not get to write."""
        trials = self._ledger.trials()
        # A driver that was interrupted before its first trial may have left the search's run.
        fresh = not trials and len(self._ledger.drivers()) <= 1
        known = {} if fresh else self._tracker.runs(self._search.name)
        before = known.get(key_of(self._search))
        by_number = before is not None and BEST_STEP_TAG not in before.tags
        self._best = BestScoreLogger(self._tracker, metric=self._metric, by_number=by_number)
        with self._outbox.leaving_out_what_is_refused():
            self._runs.open_search(fresh=fresh, by_number=by_number)
        for trial in trials:
            if trial.ending is not None:
                self._best.add(trial.number, trial.ending, trial.value)
        self._best.skip_written()
        self._complete(trials, known, submitted=self._begun)
        with self._outbox.leaving_out_what_is_refused():
            self._write_best()

    def _catch_up(self) -> None:
        """Writes what the ledger has and the store has not, once the store is back."""
        if not self._outbox.is_full:  # else another of these is submitted already
            self._behind.clear()  # first: what is not in the ledger yet is submitted again
        trials = self._ledger.trials()
        self._complete(trials, self._tracker.runs(self._search.name) if trials else {})

    def _complete(
        self, trials: Sequence[TrialRecord], known: Mapping[str, Run], *, submitted: Collection[int] = ()
    ) -> None:
        """Completes the runs of trials that have ended, or that began under this driver.

        All that happened to ``submitted`` trials waits in the outbox behind this write; only their runs are looked up.
        """
        for trial in trials:
            run = known.get(key_of(self._search, trial.number))
            if run is not None:
                self._runs.ids[trial.number] = run.run_id
            if trial.number in submitted or trial.number in self._logged:
                continue
            with self._outbox.leaving_out_what_is_refused():
                if trial.ending is not None:
                    self._complete_ended(trial, trial.ending, run)
                elif trial.number in self._begun:
                    self._begin(trial, fresh=False)
            if trial.ending is not None:
                self._logged.add(trial.number)

    def _complete_ended(self, trial: TrialRecord, ending: Ending, run: Run | None) -> None:
        if run is None or not is_complete(run, ending):
            if run is not None and METRICS_TAG in run.tags:
                self._runs.write_metrics_again(trial.number)
            self._begin(trial, fresh=False)
            self._end(trial.number, ending, trial.value)
            return
        if run.tags.get(PARENT_TAG) != self._runs.parent:  # the search's run was deleted, and opened again
            self._tracker.set_tags(run.run_id, {PARENT_TAG: self._runs.parent})
        if are_missing(run):
            self._upload(trial.number, ending)

    def _begin(self, trial: TrialRecord, *, fresh: bool) -> None:
        self._runs.begin(trial, fresh=fresh)
        for report in trial.reports:
            with self._outbox.leaving_out_what_is_refused():
                self._runs.report(trial.number, report)

    def _end(self, number: int, ending: Ending, value: float | None) -> None:
        self._best.add(number, ending, value)
        self._runs.end(number, ending, tags={UPLOADS_TAG: WAITING} if self._files(ending) else {})
        self._write_best()
        self._logged.add(number)
        self._upload(number, ending)

    def _upload(self, number: int, ending: Ending) -> None:
        """Submits the files of a run that has ended; with a full outbox, the next driver finds them missing."""
        files = self._files(ending)
        if files and not self._uploads.is_full:
            self._uploads.submit(functools.partial(keep_files, self._tracker, self._runs.ids[number], files))

    def _files(self, ending: Ending) -> Mapping[str, Path | str]:
        """The files of a trial that has ended, by the names of their artifacts; texts as they are."""
        files: dict[str, Path | str] = {}
        if ending.checkpoint is not None and (checkpoint := self._checkpoint(ending.checkpoint)).exists():
            files["checkpoint"] = checkpoint
        if ending.traceback:
            files["traceback.txt"] = ending.traceback
        return files

    def _write_best(self) -> None:
        if self._runs.parent:
            self._best.write(self._runs.parent, self._runs.ids)

    def _interrupt(self, number: int) -> None:
        self._runs.interrupt(number, at_s=self._clock())

    def _end_search(self, status: RunStatus, at_s: float) -> None:
        if not self._runs.parent:
            raise TrackingRefused("the run of the search could not be opened")
        with self._outbox.leaving_out_what_is_refused():
            self._write_best()
        try:
            best = best_trial(self._ledger.trials())
        except HicoError:  # the study was deleted: the run keeps its tags of the best trial
            best = None
        self._runs.end_search(status, tags={} if best is None else best_tags(best.number, best.run_id), at_s=at_s)

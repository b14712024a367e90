"""Logs a search from its ledger to the tracking store, in the background.

The ledger has everything first, with its times, and a run is known by its key. So the logger may be interrupted at any
time and complete its runs later: nothing is written twice. The ledger is also the spool: while the store is away the
outbox grows to its limit and no further, and what did not fit is then read from the ledger. Uploads have an outbox of
their own; a tag of a run tells whether its files are missing.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from hico_platform.config.space import CheckedSpace
from hico_platform.errors import HicoError
from hico_platform.search.events import Event, TrialBegan, TrialReported
from hico_platform.search.ledger.base import Ending, Ledger, TrialRecord, best_trial
from hico_platform.search.notes import PERSONS_NOTE
from hico_platform.search.state import SearchState
from hico_platform.search.tags import PersonsNote
from hico_platform.search.trial_checkpoints import kept_record
from hico_platform.tracking.background import BackgroundLogger
from hico_platform.tracking.base import PARENT_TAG, Run, RunStatus, Tracker, TrackingRefused
from hico_platform.tracking.best_score import BEST_STEP_TAG, BestScoreLogger, best_tags
from hico_platform.tracking.metric_names import MetricNames
from hico_platform.tracking.notes import NOTE_TAG
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_notes import count_states, search_note, trial_note
from hico_platform.tracking.search_runs import METRICS_TAG, SearchRuns, is_complete, key_of
from hico_platform.tracking.search_view import VIEW_TAG, view_tag
from hico_platform.tracking.uploads import (
    CHECKPOINT,
    CHECKPOINT_TAG,
    UPLOADS_TAG,
    WAITING,
    are_missing,
    is_outdated,
    keep_files,
)
from hico_platform.tracking.waiting_reports import WaitingReports

NOTE_EVERY_S = 60.0
"""The note of a search that has no better trial is written again after so long: its count of trials moved on."""


_STATES = {
    RunStatus.FINISHED: SearchState.FINISHED,
    RunStatus.FAILED: SearchState.FAILED,
    RunStatus.KILLED: SearchState.INTERRUPTED,
    RunStatus.RUNNING: SearchState.RUNNING,
}


class SearchLogger(BackgroundLogger):
    """An observer of a search's events that writes them to the tracking store, in the background.

    Args:
        ledger: what is logged, and where the ids of runs are recorded.
        space: gives the configuration of each trial.
        tracker: the store.
        outbox: the writes that wait.
        checkpoint: the path of a checkpoint that the ledger names.
        uploads: the uploads that wait; by default an outbox of its own.
        folders: are kept with the search's own run, under their names.
        clock: Unix time in seconds.
        kept_first: a trial's files are uploaded when :meth:`keep` is called, after the rule for checkpoints was
            applied to them, and not at its end.
        stored: says where a trial's checkpoint is and what was taken of it, by its number and the ledger's name of it,
            where checkpoints are in a store of their own: then runs have that as a tag, and no copy.
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
        folders: Sequence[Path] = (),
        clock: Callable[[], float] = time.time,
        kept_first: bool = False,
        stored: Callable[[int, str], str] | None = None,
    ) -> None:
        super().__init__(outbox=outbox, uploads=uploads)
        self._ledger = ledger
        self._tracker = tracker
        self._checkpoint = checkpoint
        self._clock = clock
        self._folders = {folder.name: folder for folder in folders}
        self._kept_first = kept_first
        self._stored = stored
        self._search = ledger.search
        self._space = space
        self._runs = SearchRuns(ledger=ledger, space=space, tracker=tracker)
        self._reports = WaitingReports(
            lambda number, reports: self._runs.report(number, *reports),
            leaving_out=outbox.leaving_out_what_is_refused,
        )
        self._metric = space.settings.signal.metric
        self._best = BestScoreLogger(tracker, metric=self._metric)
        self._values: dict[int, float | None] = {}
        self._trials: dict[int, TrialRecord] = {}  # without their reports
        self._noted_at_s = 0.0
        self._logged: set[int] = set()  # trials whose runs are complete
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._behind = threading.Event()
        outbox.submit(self._open)

    def __call__(self, event: Event) -> None:
        """Submits the writes of an event; with a full outbox, one write of all that the ledger has by then."""
        if isinstance(event, TrialBegan):
            self._begun.add(event.trial.number)
            self._take(event.trial)
            self._values[event.trial.number] = event.trial.value
        elif isinstance(event, TrialReported):
            self._values[event.number] = event.report.value
        else:
            value = self._values.pop(event.number, None)
            self._ended.add(event.number)
            self._take(self._trials[event.number], event.ending)
        if self._behind.is_set():
            return  # a write that reads the ledger is submitted already
        if self._outbox.is_full:
            self._behind.set()
            self._outbox.submit(self._catch_up)
        elif isinstance(event, TrialBegan):
            self._outbox.submit(functools.partial(self._begin, event.trial, fresh=not event.trial.reports))
        elif isinstance(event, TrialReported):
            self._reports.add(event.number, event.report)
            self._outbox.submit(functools.partial(self._reports.write, event.number))
        else:
            self._outbox.submit(functools.partial(self._end, event.number, event.ending, value))

    def keep(self, number: int, ending: Ending) -> None:
        """What is kept of a trial's checkpoint is decided: its run gets that, by the next driver where writes wait."""
        if not (self._behind.is_set() or self._outbox.is_full):
            self._outbox.submit(functools.partial(self._upload, number, ending))

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
        names = self._runs.names = MetricNames.of_runs(known, key=key_of(self._search))
        self._best = BestScoreLogger(self._tracker, metric=self._metric, by_number=by_number, names=names)
        for trial in trials:
            if trial.number not in self._trials:
                self._take(trial)
            if trial.ending is not None:
                self._best.add(trial.number, trial.ending, trial.value)
        with self._outbox.leaving_out_what_is_refused():
            self._runs.open_search(fresh=fresh, by_number=by_number, note=self._search_note(SearchState.RUNNING))
        with self._outbox.leaving_out_what_is_refused():
            self._show_search(names)
        if self._folders and self._runs.parent:
            self._uploads.submit(functools.partial(keep_files, self._tracker, self._runs.parent, self._folders))
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
        if are_missing(run) or is_outdated(run, self._files(ending)):
            self._upload(trial.number, ending)

    def _begin(self, trial: TrialRecord, *, fresh: bool) -> None:
        # One that has ended gets its note with its end.
        note = None if trial.ending is not None else self._trial_note(trial)
        self._runs.begin(trial, fresh=fresh, note=note)
        for report in trial.reports:
            with self._outbox.leaving_out_what_is_refused():
                self._runs.report(trial.number, report)

    def _end(self, number: int, ending: Ending, value: float | None) -> None:
        self._best.add(number, ending, value)
        note: Mapping[str, str] = {}
        with self._outbox.leaving_out_what_is_refused():
            text = self._trial_note(self._trials[number], ending, value)
            note = self._runs.note_tags(self._runs.id_of(number), text)
        self._runs.end(
            number,
            ending,
            tags={
                **note,
                **self._stored_tags(number, ending),
                **({UPLOADS_TAG: WAITING} if self._files(ending) else {}),
            },
        )
        is_better = self._write_best()
        if is_better or self._clock() >= self._noted_at_s + NOTE_EVERY_S:
            with self._outbox.leaving_out_what_is_refused():
                self._write_search_note(SearchState.RUNNING)
        self._runs.forget(number)
        self._logged.add(number)
        if not self._kept_first:
            self._upload(number, ending)

    def _upload(self, number: int, ending: Ending) -> None:
        """Submits the files of a run that has ended; with a full outbox, the next driver finds them missing."""
        if tags := self._stored_tags(number, ending) if self._kept_first else {}:
            self._tracker.set_tags(self._runs.id_of(number), tags)
        files = self._files(ending)
        if files and number in self._runs.ids and not self._uploads.is_full:
            self._uploads.submit(functools.partial(keep_files, self._tracker, self._runs.ids[number], files))

    def _files(self, ending: Ending) -> Mapping[str, Path | str]:
        """The files of a trial that has ended, by the names of their artifacts; texts as they are."""
        files: dict[str, Path | str] = {}
        if ending.checkpoint is not None and self._stored is None:
            checkpoint = self._checkpoint(ending.checkpoint)
            if checkpoint.exists() or kept_record(checkpoint.parent) is not None:
                files[CHECKPOINT] = checkpoint
        if ending.traceback:
            files["traceback.txt"] = ending.traceback
        return files

    def _stored_tags(self, number: int, ending: Ending) -> Mapping[str, str]:
        """Where the checkpoint is, in a store of its own."""
        if self._stored is None or ending.checkpoint is None:
            return {}
        return {CHECKPOINT_TAG: self._stored(number, ending.checkpoint)}

    def _write_best(self) -> bool:
        """Writes the best score, and returns whether there is another best trial."""
        return bool(self._runs.parent) and self._best.write(self._runs.parent, self._runs.ids)

    def _take(self, trial: TrialRecord, ending: Ending | None = None) -> None:
        """Keeps what notes say of a trial."""
        ending = ending or trial.ending
        state = trial.state if ending is None else ending.state
        config = trial.config if ending is None else None
        self._trials[trial.number] = dataclasses.replace(trial, reports=(), ending=None, state=state, config=config)

    def _show_search(self, names: MetricNames) -> None:
        """The experiment's description and its view, by which the search is opened."""
        link = f"[The search {self._search.name}]({self._runs.page(self._runs.parent)})" if self._runs.parent else ""
        view = view_tag(self._space, names=names, at_s=self._search.began_at_s)
        self._tracker.set_experiment_tags(self._search.name, {VIEW_TAG: view, **({NOTE_TAG: link} if link else {})})

    def _search_note(self, state: SearchState) -> str:
        last, best = self._best.last, None
        if last is not None and last.number in self._trials:
            best = self._trials[last.number], last.value
        try:
            persons = PersonsNote.from_plain(self._ledger.note(PERSONS_NOTE))
        except HicoError:  # the study was deleted
            persons = None
        trials = dict(self._trials)  # the driver adds to it meanwhile
        return search_note(
            self._search,
            self._space,
            state=state,
            counts=count_states({number: trial.state for number, trial in trials.items()}),
            metric=self._metric_name,
            best=best,
            persons_note="" if persons is None else persons.text,
            best_page=None if best is None else self._runs.page(self._runs.ids.get(best[0].number) or best[0].run_id),
        )

    def _trial_note(self, trial: TrialRecord, ending: Ending | None = None, value: float | None = None) -> str:
        return trial_note(
            self._search,
            trial,
            search_page=self._runs.page(self._runs.parent),
            ending=ending,
            score="" if value is None else f"`{self._metric_name}` {value:.4f}",
        )

    @property
    def _metric_name(self) -> str:
        """The score that the search goes by, as the tracking store has it."""
        (name,) = self._runs.names.of_trial({self._metric: 0.0})
        return name

    def _write_search_note(self, state: SearchState) -> None:
        if not self._runs.parent:
            return
        self._noted_at_s = self._clock()
        tags = self._runs.note_tags(self._runs.parent, self._search_note(state))
        if tags:
            self._tracker.set_tags(self._runs.parent, tags)

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
        note: Mapping[str, str] = {}
        with self._outbox.leaving_out_what_is_refused():
            text = self._search_note(_STATES[status])
            note = self._runs.note_tags(self._runs.parent, text)
        tags = {} if best is None else best_tags(best.number, best.run_id)
        self._runs.end_search(status, tags={**note, **tags}, at_s=at_s)
        model = None if best is None else self._runs.trained_model(best)
        if best is not None and model is not None and best.number in self._runs.ids and status is RunStatus.FINISHED:
            self._uploads.submit(functools.partial(self._tracker.log_model, self._runs.ids[best.number], model))

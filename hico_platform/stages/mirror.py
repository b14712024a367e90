"""Mirrors a search from its ledger into the tracking store: a parent run, and a child run for each trial.

The ledger has everything first, with its times, and a run is known by its key. So the mirror may be cut off
anywhere and made whole later: what is there already is not written twice. The ledger is also the spool: while
the store is away the line of writes grows to its limit and no further, and is then made again from the ledger.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace
from hico_platform.errors import ConfigError
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
from hico_platform.search.steering import SCORE
from hico_platform.tracking.base import Point, Run, RunStatus, Tracker
from hico_platform.tracking.outbox import Outbox

STATE_TAG = "hico.state"
_STATUS = {
    TrialState.COMPLETE: RunStatus.FINISHED,
    TrialState.PRUNED: RunStatus.FINISHED,
    TrialState.FAILED: RunStatus.FAILED,
    TrialState.RUNNING: RunStatus.KILLED,
}


class SearchMirror:
    """Writes what happens to the tracking store, in the background.

    Args:
        ledger: what is mirrored, and where run ids are noted.
        space: gives the configuration of each trial.
        tracker: the store.
        outbox: the line of writes.
        checkpoint: where a checkpoint lies that the ledger names.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._space = space
        self._tracker = tracker
        self._outbox = outbox
        self._checkpoint = checkpoint
        self._clock = clock
        self._search = ledger.search
        self._runs: dict[int, str] = {}
        self._parent = ""
        self._scores: dict[int, tuple[float, float]] = {}
        self._last: dict[int, ReportRecord] = {}
        self._begun: set[int] = set()
        self._behind = threading.Event()
        outbox.submit(self._open)

    def __call__(self, event: Event) -> None:
        """Puts the mirroring of an event in line; in a full line, what the ledger will say instead."""
        if isinstance(event, TrialBegan):
            self._begun.add(event.trial.number)
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
            self._outbox.submit(functools.partial(self._end, event.number, event.ending))

    def close(self, *, status: RunStatus, patience_s: float) -> int:
        """Ends the search's run, and as killed the runs of trials that have not ended.

        Returns:
            how many writes were given up because the store stayed away.
        """
        trials = self._ledger.trials()
        for trial in trials:
            if not trial.state.is_final:
                self._outbox.submit(functools.partial(self._put_down, trial.number))
        self._outbox.submit(functools.partial(self._close, status, self._clock()))
        return self._outbox.close(patience_s=patience_s)

    def _open(self) -> None:
        """Opens the search's run, and writes what an earlier driver did not get to write."""
        trials = self._ledger.trials()
        facts = self._search.facts
        self._parent = self._tracker.open_run(
            experiment=self._search.name,
            key=key_of(self._search),
            name=self._search.name,
            parent=None,
            params=flatten(self._space.base),
            tags={
                **self._tags(),
                "hico.kind": "search",
                "hico.trials": str(self._search.limit),
                "hico.sampler": str(self._space.settings.sampler.name),
                "hico.scheduler": str(self._space.settings.scheduler.name),
                "mlflow.note.content": self._space.settings.description,
                **{f"hico.{name}": str(value) for name, value in facts.more.items()},
            },
            at_s=self._search.began_at_s,
            fresh=not trials,
        )
        self._ledger.set_note("run", self._parent)
        for trial in trials:
            if trial.ending is not None:
                self._note_score(trial.number, trial.ending)
        self._settle(trials, in_line=self._begun)

    def _catch_up(self) -> None:
        """Writes what the ledger has and the store has not, once the store is back."""
        if not self._outbox.is_full:  # else another of these is in line already
            self._behind.clear()  # first: what is not in the ledger yet is put in line again
        self._settle(self._ledger.trials())

    def _settle(self, trials: Sequence[TrialRecord], *, in_line: Collection[int] = ()) -> None:
        """Makes the runs of trials whole that have ended, or are at work since this driver began.

        All that happened to trials ``in_line`` is in line behind this write; only their runs are looked up.
        """
        known = self._tracker.runs(self._search.name) if trials else {}
        for trial in trials:
            run = known.get(key_of(self._search, trial.number))
            if run is not None:
                self._runs[trial.number] = run.run_id
            if trial.number in in_line:
                continue
            if trial.ending is not None:
                if not _is_settled(run, trial.ending):
                    self._begin(trial, fresh=False)
                    self._end(trial.number, trial.ending)
            elif trial.number in self._begun:
                self._begin(trial, fresh=False)

    def _begin(self, trial: TrialRecord, *, fresh: bool) -> None:
        run_id = self._tracker.open_run(
            experiment=self._search.name,
            key=key_of(self._search, trial.number),
            name=f"{self._search.name}-{trial.number:04d}",
            parent=self._parent,
            params=self._params(trial),
            tags={
                **self._tags(),
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
            self._report(trial.number, report)

    def _params(self, trial: TrialRecord) -> Mapping[str, Scalar | None]:
        """The whole configuration; what was drawn, where that breaks a rule between fields."""
        try:
            return flatten(config_of(trial, self._space))
        except ConfigError:
            return trial.values

    def _report(self, number: int, report: ReportRecord) -> None:
        if number not in self._runs:  # the store refused it
            return
        earlier = [Point(epoch=epoch, at_s=report.at_s, metrics=losses) for epoch, losses in report.history]
        now = Point(epoch=report.epoch, at_s=report.at_s, metrics=report.metrics)
        self._tracker.log_points(self._runs[number], [*earlier, now])
        self._last[number] = dataclasses.replace(report, history=())

    def _end(self, number: int, ending: Ending) -> None:
        if number not in self._runs:
            return
        run_id = self._runs[number]
        checkpoint = None if ending.checkpoint is None else self._checkpoint(ending.checkpoint)
        if checkpoint is not None and checkpoint.exists():
            self._tracker.log_folder(run_id, checkpoint, name="checkpoint")
        if ending.traceback:
            self._tracker.log_text(run_id, ending.traceback, name="traceback.txt")
        reason = {} if ending.reason is None else {"hico.reason": ending.reason[:5000]}
        last = self._last.pop(number, None)
        told = last.metrics if last is not None and last.epoch == ending.epoch else {}
        metrics = {name: value for name, value in ending.metrics.items() if name not in told}
        self._tracker.close_run(
            run_id,
            status=_STATUS[ending.state],
            points=[Point(epoch=ending.epoch, at_s=ending.at_s, metrics=metrics)] if metrics else [],
            tags={STATE_TAG: str(ending.state), **reason},
            at_s=ending.at_s,
        )
        self._note_score(number, ending)
        if number in self._scores:
            # The best at that time, whenever it is written: the same point again is no second one.
            best = max(value for at_s, value in self._scores.values() if at_s <= ending.at_s)
            self._tracker.log_points(
                self._parent, [Point(epoch=number, at_s=ending.at_s, metrics={f"best_{SCORE}": best})]
            )

    def _note_score(self, number: int, ending: Ending) -> None:
        value = ending.metrics.get(SCORE)
        if ending.state is TrialState.COMPLETE and value is not None:
            self._scores[number] = (ending.at_s, value)

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
        best = best_trial(self._ledger.trials())
        tags = {} if best is None else {"hico.best_trial": str(best.number), "hico.best_run": best.run_id or ""}
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


def _is_settled(run: Run | None, ending: Ending) -> bool:
    return run is not None and run.status is not RunStatus.RUNNING and run.tags.get(STATE_TAG) == str(ending.state)

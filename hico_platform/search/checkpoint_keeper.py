"""Applies the rule of a space to the checkpoints of ended trials while the search runs, in a thread beside it."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from hico_platform.checkpoint_store import StoreAwayError
from hico_platform.config.space import Objective
from hico_platform.config.space_settings import KeepConfig
from hico_platform.errors import HicoError
from hico_platform.search.events import Event, TrialBegan, TrialReported
from hico_platform.search.keep_rule import Kept, Verdict, next_change_s, verdicts
from hico_platform.search.ledger.base import Ending, TrialRecord

QUIET_S = 5.0
"""The rule is applied once no trial has begun, reported or ended for so long."""

MOST_S = 60.0
"""Or so long after the first trial that has ended since."""

AWAY_S = 30.0
"""A store that is away is asked again after so long."""

_log = logging.getLogger(__name__)


class Checkpoints(Protocol):
    """Where the checkpoints are (:class:`~hico_platform.search.kept_checkpoints.KeptCheckpoints`)."""

    def apply(self, number: int, verdict: Verdict, *, last: str | None, at_s: float) -> bool:
        """Takes away what a verdict does not keep; returns whether there was anything to take."""


class CheckpointKeeper:
    """An observer of a search's events that applies the rule at quiet moments.

    It knows the trials from the ledger and the events, decides by :func:`~hico_platform.search.keep_rule.verdicts`, and
    tells ``on_kept`` of each trial that it is done with. What it cannot remove is a warning and is tried again.

    Args:
        trials: that the ledger has.
        keep: the rule of the space; without one nothing is done.
        objectives: of the space.
        checkpoints: where they are.
        on_kept: is called with a trial's number and ending when its checkpoint is as the rule wants it.
        referred: the trials that something unfinished refers to.
        clock: Unix time in seconds.
        quiet_s: as ``QUIET_S``.
    """

    def __init__(
        self,
        *,
        trials: Sequence[TrialRecord],
        keep: KeepConfig | None,
        objectives: Sequence[Objective],
        checkpoints: Checkpoints,
        on_kept: Callable[[int, Ending], None] = lambda number, ending: None,
        referred: Callable[[], Collection[int]] = tuple,
        clock: Callable[[], float] = time.time,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._keep, self._objectives, self._checkpoints = keep, objectives, checkpoints
        self._on_kept, self._referred, self._clock, self._quiet_s = on_kept, referred, clock, quiet_s
        self._trials = {trial.number: _slim(trial) for trial in trials}
        self._here: set[int] = set()  # ended under this driver, and not told of yet
        self._done: dict[int, Kept] = {}
        self._warned: set[int] = set()
        self._due_s: float | None = time.monotonic()
        self._event_s = float("-inf")
        self._next_s = float("inf")
        self._changed = threading.Condition()
        self._closing = self._is_away = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins with what earlier drivers left."""
        if self._keep is None:
            return
        self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Notes what happened; a trial that has ended is a reason to apply the rule soon."""
        if self._keep is None:
            return
        with self._changed:
            self._event_s = time.monotonic()
            if isinstance(event, TrialBegan):
                self._trials[event.trial.number] = _slim(event.trial)
            elif event.number not in self._trials:
                return
            elif isinstance(event, TrialReported):
                report = dataclasses.replace(event.report, history=())
                self._trials[event.number] = dataclasses.replace(self._trials[event.number], reports=(report,))
            else:
                ending = event.ending
                trial = dataclasses.replace(self._trials[event.number], state=ending.state, ending=ending)
                self._trials[event.number] = trial
                self._here.add(event.number)
                if self._due_s is None:
                    self._due_s = self._event_s
                self._changed.notify()

    def close(self, *, finish: bool) -> None:
        """Ends the thread; with ``finish`` the rule is applied once more before, to all that has ended."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        if finish and self._keep is not None:
            self._closing = False
            self.apply()

    def apply(self) -> None:
        """Applies the rule to every trial that has ended; goes on after one that fails."""
        if self._keep is None:
            return
        with self._changed:
            self._due_s = None
            trials = dict(self._trials)
        now_s = self._clock()
        found = verdicts(
            tuple(trials.values()),
            self._keep,
            objectives=self._objectives,
            now_s=now_s,
            referred=self._referred(),
        )
        for number, verdict in found.items():
            if self._closing:
                return
            ending = trials[number].ending
            if ending is None or self._done.get(number) is verdict.kept:
                continue
            try:
                self._apply(number, verdict, ending, now_s=now_s)
            except StoreAwayError as error:
                self._put_off(error)
                break
        ended = {number: trial.ending.at_s for number, trial in trials.items() if trial.ending is not None}
        self._next_s = next_change_s(found, ended, self._keep)

    def _apply(self, number: int, verdict: Verdict, ending: Ending, *, now_s: float) -> None:
        try:
            tell = self._checkpoints.apply(number, verdict, last=ending.checkpoint, at_s=now_s)
            self._done[number] = verdict.kept
            self._is_away = False
        except StoreAwayError:
            raise
        except (OSError, HicoError) as error:
            tell = False
            if number not in self._warned:
                self._warned.add(number)
                _log.warning("the checkpoint of trial %d stays as it is: %s", number, error)
        if tell or number in self._here:
            self._here.discard(number)
            self._on_kept(number, ending)

    def _put_off(self, error: StoreAwayError) -> None:
        """The store is away: the rule is applied again in a while."""
        if not self._is_away:
            _log.warning("the rule for checkpoints waits for their store: %s", error)
        self._is_away = True
        self._due_s = self._event_s = time.monotonic() + AWAY_S

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closing and not self._is_due():
                    self._changed.wait(self._quiet_s)
                if self._closing:
                    return
            try:
                self.apply()
            except Exception:
                _log.warning("the rule for checkpoints could not be applied; it is tried again", exc_info=True)
                self._due_s = time.monotonic()
                self._event_s = time.monotonic()

    def _is_due(self) -> bool:
        if self._clock() >= self._next_s:
            return True
        if self._due_s is None:
            return False
        now_s = time.monotonic()
        return now_s - self._event_s >= self._quiet_s or now_s - self._due_s >= MOST_S


def _slim(trial: TrialRecord) -> TrialRecord:
    """What the rule looks at: the last report, without its losses."""
    reports = tuple(dataclasses.replace(report, history=()) for report in trial.reports[-1:])
    return dataclasses.replace(trial, reports=reports, config=None)

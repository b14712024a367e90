"""The state of a search and of its trials: one state machine for the command line, the report and MLflow.

======================  =========================================================================
a search is             when
======================  =========================================================================
``running``             a live driver has it, and something is left to do
``interrupted``         no driver has it, and something is left to do: ``--resume`` continues
``finished``            every trial has ended, and no more are to begin
``failed``              more trials failed than it allows, and no driver waits for running ones
======================  =========================================================================

======================  =========================================================================
a trial is              when
======================  =========================================================================
``complete``            it trained for the whole budget
``pruned``              the scheduler stopped it at a rung, or the search's time was up
``failed``              it could not go on
``running``             it has not ended, and a live driver has it
``interrupted``         it has not ended, and no driver has it
======================  =========================================================================

So a search that is interrupted has no running trials. The ledger records a trial that has not ended as
``TrialState.RUNNING``, whether or not a driver lives; only this module decides what that means at a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from hico_platform.search.ledger.base import TrialRecord, TrialState


class SearchState(StrEnum):
    """The state of a search."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    FAILED = "failed"


class TrialStatus(StrEnum):
    """The state of a trial; the values are those of ``--json`` and of MLflow's ``hico.state``."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def word(self) -> str:
        """The word that tables and the report show."""
        return "stopped" if self is TrialStatus.PRUNED else str(self)


@dataclass(frozen=True, kw_only=True)
class SearchProgress:
    """How far a search is.

    Args:
        state: of the search.
        limit: the number of trials after which it ends.
        counts: trials in each state; every state has a count.
    """

    state: SearchState
    limit: int
    counts: dict[TrialStatus, int]

    @property
    def begun(self) -> int:
        """Trials that were begun."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Trials that have ended, complete or not."""
        return self.begun - self.counts[TrialStatus.RUNNING] - self.counts[TrialStatus.INTERRUPTED]

    @property
    def parts(self) -> tuple[str, ...]:
        """``5 of 20 trials ended``, ``2 running``; with a limit that was lowered, ``3 trials ended, limit 2``."""
        ended, limit = self.ended, self.limit
        within = self.begun <= limit
        words = f"{ended} of {_trials(limit)} ended" if within else f"{_trials(ended)} ended, limit {limit}"
        unfinished = (TrialStatus.RUNNING, TrialStatus.INTERRUPTED)
        return (words, *(f"{self.counts[one]} {one.word}" for one in unfinished if self.counts[one]))

    def __str__(self) -> str:
        """``running, 5 of 20 trials ended, 2 running``."""
        return ", ".join((self.state, *self.parts))


def trial_status(trial: TrialRecord, *, has_driver: bool) -> TrialStatus:
    """The state of a trial, given whether a driver has its search."""
    if trial.state is TrialState.RUNNING:
        return TrialStatus.RUNNING if has_driver else TrialStatus.INTERRUPTED
    return TrialStatus(trial.state)


def search_progress(
    trials: Sequence[TrialRecord], *, limit: int, max_failures: int, has_driver: bool, has_ended: bool
) -> SearchProgress:
    """The state of a search, and how many of its trials are in each state.

    Args:
        trials: all trials that were begun.
        limit: the number of trials after which the search ends.
        max_failures: the number of failed trials that it allows.
        has_driver: whether a live process has it.
        has_ended: whether a stop rule of its space ended it before the limit.
    """
    found = [trial_status(trial, has_driver=has_driver) for trial in trials]
    counts = {status: found.count(status) for status in TrialStatus}
    state = search_state(
        running=counts[TrialStatus.RUNNING] > 0,
        interrupted=counts[TrialStatus.INTERRUPTED] > 0,
        no_more=len(trials) >= limit or has_ended,
        too_many_failed=too_many_failed(trials, max_failures=max_failures),
        has_driver=has_driver,
    )
    return SearchProgress(state=state, limit=limit, counts=counts)


def too_many_failed(trials: Sequence[TrialRecord], *, max_failures: int) -> bool:
    """Whether more trials failed than a search allows, not counting those that are excused."""
    endings = [trial.ending for trial in trials if trial.state is TrialState.FAILED]
    return sum(ending is None or not ending.excused for ending in endings) > max_failures


def search_state(
    *, running: bool, interrupted: bool, no_more: bool, too_many_failed: bool, has_driver: bool
) -> SearchState:
    """The state of a search.

    Args:
        running: whether a live driver has a trial that has not ended.
        interrupted: whether a trial has not ended and no driver has it.
        no_more: whether no further trial is to begin.
        too_many_failed: whether more trials failed than it allows.
        has_driver: whether a live process has it.
    """
    if running:
        return SearchState.RUNNING
    if too_many_failed:
        return SearchState.FAILED
    if no_more and not interrupted:
        return SearchState.FINISHED
    return SearchState.RUNNING if has_driver else SearchState.INTERRUPTED


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"

"""What optuna-dashboard shows as notes of trials: of those that people open first."""

from __future__ import annotations

from collections.abc import Mapping

from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.status import SearchStatus
from hico_platform.tracking.search_notes import trial_note

MOST = 10
"""Of the best trials, and of those that failed last: a note is a write each."""


def trial_notes(status: SearchStatus) -> Mapping[int, str]:
    """Notes in Markdown by the trials' numbers: what was tried, how it ended, what to do next.

    They are of the best trials that have ended, and of the last that failed. A trial that still runs has none, since a
    note that stands is not replaced.
    """
    ended = [trial for trial in status.trials if trial.ending is not None]
    failed = [trial for trial in ended if trial.state is TrialState.FAILED]
    scored = [trial for trial in ended if trial.state is not TrialState.FAILED and trial.value is not None]
    scored.sort(key=lambda trial: (trial.state is not TrialState.COMPLETE, -(trial.value or 0.0), trial.number))
    return {
        trial.number: trial_note(
            status.search, trial, search_page=None, ending=trial.ending, score=_score(status, trial)
        )
        for trial in (*scored[:MOST], *failed[-MOST:])
    }


def _score(status: SearchStatus, trial: TrialRecord) -> str:
    return "" if trial.value is None else f"`{status.space.settings.objectives[0]}` {trial.value:.4f}"

"""The rules that end a search before its number of trials: pure functions of its trials and of the time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Sequence

from hico_platform.config.space import CheckedSpace, SamplerName, StopConfig
from hico_platform.search.grid import grid_left
from hico_platform.search.ledger.base import Ending, TrialRecord, TrialState
from hico_platform.search.pauses import Pause, outside

HOUR_S = 3600.0


def time_is_up(
    stop: StopConfig,
    trials: Collection[TrialRecord],
    *,
    running_s: float,
    gpus: float,
    busy: Callable[[TrialRecord], float],
) -> str | None:
    """Why running trials are to end at their next report, if they are.

    Args:
        stop: the rules.
        trials: all trials so far.
        running_s: for how long this driver has run.
        gpus: GPUs that a trial holds.
        busy: seconds for which a trial ran on workers.
    """
    if stop.hours is not None and running_s >= stop.hours * HOUR_S:
        return f"{stop.hours:g} hours are over"
    if stop.gpu_hours is not None:
        spent = gpus * sum(map(busy, trials)) / HOUR_S
        if spent >= stop.gpu_hours:
            return f"{stop.gpu_hours:g} GPU-hours are spent"
    return None


def lost_ending(trial: TrialRecord, *, epochs: int, reason: str, at_s: float) -> Ending:
    """The ending of a trial whose worker was lost after the time was up: at its last report, if it has one.

    ``epochs`` is the budget of a trial.
    """
    reason = f"cut off after the time was up, not evaluated downstream: {reason}"
    if not trial.reports:
        return Ending(state=TrialState.FAILED, epoch=0, at_s=at_s, reason=reason, excused=True)
    last = trial.reports[-1]
    state = TrialState.COMPLETE if last.epoch >= epochs else TrialState.PRUNED
    return Ending(state=state, epoch=last.epoch, at_s=at_s, checkpoint=str(last.checkpoint), reason=reason)


def good_enough(stop: StopConfig, trials: Collection[TrialRecord]) -> str | None:
    """Why no further trial is to begin, if none is; running trials finish."""
    values = (report.value for trial in trials for report in trial.reports if not math.isnan(report.value))
    if stop.target is not None and max(values, default=0.0) >= stop.target:
        return f"the target {stop.target:g} is reached"
    if stop.patience is not None:
        complete = sorted(
            (trial for trial in trials if trial.state is TrialState.COMPLETE and trial.ending is not None),
            key=lambda trial: (trial.ending.at_s if trial.ending else 0.0, trial.number),
        )
        best, since = -1.0, 0
        for trial in complete:
            value = trial.value or 0.0
            best, since = (value, 0) if value > best else (best, since + 1)
        if since >= stop.patience:
            return f"{since} complete trials brought nothing better"
    return None


def grid_is_done(space: CheckedSpace, trials: Collection[TrialRecord]) -> str | None:
    """Why the search ends if it tries a grid: every point was tried."""
    if space.settings.sampler.name is not SamplerName.GRID or grid_left(space, [trial.values for trial in trials]):
        return None
    return "every point of the grid was tried"


def busy_s(trial: TrialRecord, *, now_s: float, sessions: Sequence[float]) -> float:
    """Seconds for which a trial ran on workers, as far as the ledger knows.

    If a driver began between two recorded times of a trial (its beginning, reports, end), only the time since then
    counts, since it is not known when the driver before was interrupted. The time in which it was paused never does.
    """
    return sum(end - begin for begin, end in busy_spans(trial, now_s=now_s, sessions=sessions))


def busy_spans(trial: TrialRecord, *, now_s: float, sessions: Sequence[float]) -> list[tuple[float, float]]:
    """When a trial ran on workers (Unix times), as :func:`busy_s` counts it."""
    marks = [trial.began_at_s, *(report.at_s for report in trial.reports)]
    marks.append(now_s if trial.ending is None else trial.ending.at_s)
    return spans_between(marks, sessions=sessions, pauses=trial.pauses)


def spans_between(
    marks: Sequence[float], *, sessions: Sequence[float], pauses: Sequence[Pause]
) -> list[tuple[float, float]]:
    """The same, of a trial's recorded times (Unix), its beginning first, and of its pauses."""
    return [
        (max([begin, *(session for session in sessions if begin < session <= end)]), end)
        for known in itertools.pairwise(marks)
        for begin, end in outside(*known, pauses)
    ]

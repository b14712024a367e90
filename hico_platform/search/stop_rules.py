"""Applies the stop rules of a space to a running search (the rules are :mod:`~hico_platform.search.stopping`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from hico_platform.config.space import CheckedSpace
from hico_platform.search.ledger.base import Ledger, TrialRecord, TrialState
from hico_platform.search.notes import ENDED_BY, SESSIONS
from hico_platform.search.stopping import busy_s, good_enough, grid_is_done, time_is_up


class StopRules:
    """Whether a search begins further trials, and whether its time is up.

    Args:
        ledger: the beginning of this driver and the rule that ended the search are noted there.
        space: has the rules.
        clock: Unix time in seconds.
        timer: seconds since any moment, for ``stop.hours``: a clock may be set while the search runs. By default a
            monotonic clock where ``clock`` is the system's, else ``clock``.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: CheckedSpace,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float] | None,
    ) -> None:
        self._ledger = ledger
        self._space = space
        self._clock = clock
        self._timer = timer or (time.monotonic if clock is time.time else clock)
        self._began_s = self._timer()
        self._sessions = [*(ledger.note(SESSIONS) or []), clock()]
        ledger.set_note(SESSIONS, self._sessions)
        ledger.set_note(ENDED_BY, None)
        self._ended_by: str | None = None
        self._busy_s: dict[int, float] = {}  # of trials that have ended
        self._improvement: tuple[int, float | None] = (0, None)  # complete trials, and what was left to gain then

    def has_ended(self, trials: Collection[TrialRecord], *, gpus: float) -> bool:
        """Whether a rule ends the search, which is noted; ``gpus`` is what a trial holds."""
        reason = (
            self.time_is_up(trials, gpus=gpus)
            or good_enough(self._space.settings.stop, trials)
            or self._little_to_gain(trials)
            or grid_is_done(self._space, trials)
        )
        if reason is not None and self._ended_by is None:
            self._ended_by = reason
            self._ledger.set_note(ENDED_BY, reason)
        return reason is not None

    def time_is_up(self, trials: Collection[TrialRecord], *, gpus: float) -> str | None:
        """Why running trials are to end at their next report, if they are."""
        return time_is_up(
            self._space.settings.stop,
            trials,
            running_s=self._timer() - self._began_s,
            gpus=gpus,
            busy=self._busy,
        )

    def _busy(self, trial: TrialRecord) -> float:
        """Seconds for which a trial ran on workers; of one that has ended, worked out once."""
        known = self._busy_s.get(trial.number)
        if known is not None:
            return known
        spent_s = busy_s(trial, now_s=self._clock(), sessions=self._sessions)
        if trial.ending is not None:
            self._busy_s[trial.number] = spent_s
        return spent_s

    def _little_to_gain(self, trials: Collection[TrialRecord]) -> str | None:
        """What Optuna's terminator says, which is asked again when another trial is complete."""
        least = self._space.settings.stop.improvement
        if least is None:
            return None
        complete = sum(trial.state is TrialState.COMPLETE for trial in trials)
        if complete != self._improvement[0]:
            from hico_platform.search.ledger.terminator import improvement_left

            self._improvement = complete, improvement_left(self._space, list(trials))
        left = self._improvement[1]
        if left is None or left >= least:
            return None
        return f"at most {left:.4f} is still to gain, less than {least:g}"

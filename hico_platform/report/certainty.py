"""How sure it is that the best trial of a search is the best: by the standard error of its score."""

from __future__ import annotations

from dataclasses import dataclass

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.search.score_interval import score_interval


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """What is known of the best trial's lead.

    Args:
        trial: the best.
        value: its score.
        error: the standard error of that score; None in searches of older versions.
        low: the lower end of the 95 % interval, 1.96 standard errors away and at least 0.
        high: the upper end, at most 1.
        runner_up: the next best trial that was trained as long.
        lead: how far the best is above it.
        within_one: trials, the best among them, that were trained as long and are at most one standard error below.
        compared: how many were trained as long.
    """

    trial: ReportedTrial
    value: float
    error: float | None
    low: float | None
    high: float | None
    runner_up: ReportedTrial | None
    lead: float | None
    within_one: int | None
    compared: int

    @property
    def is_noise(self) -> bool | None:
        """Whether the runner-up is within one standard error (Breiman's rule); None where that is not known."""
        return None if self.error is None or self.lead is None else self.lead <= self.error


def certainty(content: ReportContent) -> Certainty | None:
    """How sure the best of a search is; None where nothing has been scored.

    Trials at other epochs than the best are not compared with it.
    """
    best = content.best_trial
    if best is None or best.value is None:
        return None
    value, error, interval = best.value, best.error, score_interval(best.value, best.error)
    peers = [one for one in content.trials if one.state == best.state and one.epoch == best.epoch and one.curve]
    others = sorted((one for one in peers if one is not best), key=lambda one: (-(one.value or 0.0), one.number))
    runner_up = others[0] if others else None
    return Certainty(
        trial=best,
        value=value,
        error=error,
        low=None if interval is None else interval[0],
        high=None if interval is None else interval[1],
        runner_up=runner_up,
        lead=None if runner_up is None else value - (runner_up.value or 0.0),
        within_one=None if error is None else sum((one.value or 0.0) >= value - error for one in peers),
        compared=len(peers),
    )

"""The best score of a search as a metric of its run, with tags that name the trial that has it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from hico_platform.search.best_so_far import BestPoint, BestSoFar
from hico_platform.search.ledger.base import Ending
from hico_platform.tracking.base import Point, Tracker
from hico_platform.tracking.metric_names import MetricNames

BEST_STEP_TAG = "hico.best_step"
"""What the steps of the best score count; a search without it has steps that are numbers of trials."""


class BestScoreLogger:
    """Writes each new point of the best score once.

    Args:
        tracker: the store.
        metric: the score that the search goes by.
        by_number: the run has points of an earlier version, whose steps are numbers of trials.
        names: of the search's metrics.
    """

    def __init__(
        self, tracker: Tracker, *, metric: str, by_number: bool = False, names: MetricNames | None = None
    ) -> None:
        self._tracker = tracker
        self._metric = (names or MetricNames()).best(metric)
        self._by_number = by_number
        self._best = BestSoFar(beyond_numbers=by_number)
        self._written: set[BestPoint] = set()
        self._tagged: int | None = None

    def add(self, number: int, ending: Ending, value: float | None) -> None:
        """Takes a trial that has ended into account; a second time changes nothing."""
        self._best.add(number, state=ending.state, value=value, at_s=ending.at_s)

    @property
    def last(self) -> BestPoint | None:
        """The best of the trials that have ended."""
        return self._best.last

    def skip_written(self) -> None:
        """Marks the points of an earlier version's run as written, all but the last; they have other steps there."""
        if self._by_number and self._best.last is not None:
            self._written.update(self._best.points[:-1])

    def write(self, run_id: str, trial_runs: Mapping[int, str]) -> bool:
        """Writes the new points to the search's run, and tags it with the best trial and that trial's run.

        Returns whether there is another best trial than at the last call.
        """
        # One is new, unless a clock was set back: then all that follow have other steps.
        new = list(itertools.takewhile(lambda point: point not in self._written, reversed(self._best.points)))
        points = [Point(epoch=one.step, at_s=one.at_s, metrics={self._metric: one.value}) for one in reversed(new)]
        last = self._best.last
        is_new = last is not None and last.number != self._tagged
        if last is not None and (points or is_new):
            tags = best_tags(last.number, trial_runs.get(last.number)) if is_new else None
            self._tracker.log_points(run_id, points, tags=tags)
            self._written.update(new)
            self._tagged = last.number
        return is_new


def best_tags(number: int, run_id: str | None) -> Mapping[str, str]:
    """The tags of a search's run that name its best trial."""
    return {"hico.best_trial": str(number), "hico.best_run": run_id or ""}

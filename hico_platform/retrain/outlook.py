"""How long a retraining still takes, over both of its stages."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from hico_platform.retrain.plan import PlannedRun
from hico_platform.retrain.task_source import REPORTS, Overall, RunObserver, RunProgress


class Outlook:
    """An observer that tells another one the time left.

    Every epoch counts the same, whether of a candidate or of the comparison, and only those trained by this process
    tell how long one takes.

    Args:
        observe: the other observer.
        runs: those that are known by now.
        later_epochs: how many epochs the others will have.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        observe: RunObserver,
        *,
        runs: Sequence[PlannedRun],
        later_epochs: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._observe = observe
        self._budgets: dict[str, int] = {}
        self._later_epochs = 0
        self._clock = clock
        self._epochs: dict[str, int] = {}
        self._trained = 0
        self._began_s: float | None = None
        self.expect(runs, later_epochs=later_epochs)

    def expect(self, runs: Sequence[PlannedRun], *, later_epochs: int = 0) -> None:
        """Adds runs that were not known before; ``later_epochs`` are those of what is still to come after them."""
        self._budgets |= {run.key: run.config.budget.epochs for run in runs if run.entry.is_trained}
        self._later_epochs = later_epochs

    def __call__(self, now: RunProgress) -> None:
        """Passes on the progress of a run with the time left."""
        if now.run.key in self._budgets:
            self._count(now)
        self._observe(dataclasses.replace(now, overall=self.overall))

    @property
    def overall(self) -> Overall:
        """How far all runs are, those included that have not begun."""
        done = sum(self._epochs.values())
        total = sum(self._budgets.values()) + self._later_epochs
        left_s = None
        if self._began_s is not None and self._trained:
            left_s = (total - done) * (self._clock() - self._began_s) / self._trained
        return Overall(epochs=done, of=total, left_s=left_s)

    def _count(self, now: RunProgress) -> None:
        budget, before = self._budgets[now.run.key], self._epochs.get(now.run.key)
        epoch = budget if now.result is not None else max(now.epoch, before or 0)  # heartbeats may come late
        if before is not None:  # else it was trained by another process
            gained = max(0, epoch - before)
            # A run that is taken up again comes back with all epochs that it had.
            self._trained += gained if before > 0 else min(gained, max(1, budget // REPORTS))
        elif now.result is None and self._began_s is None:
            self._began_s = self._clock()
        self._epochs[now.run.key] = epoch

"""Where an executor gets its tasks from and reports their progress to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hico_platform.enums import Decision
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.task import TrialTask


class TaskSource(Protocol):
    """The trials of a search (:class:`~hico_platform.search.controller.SearchController`) or the runs of a retraining.

    Every call may come twice with the same content.
    """

    @property
    def tasks_running(self) -> int:
        """How many tasks are running on workers."""

    @property
    def time_is_up(self) -> bool:
        """Whether running tasks are to end at their next report, and lost ones are not to be handed out again."""

    @property
    def is_stopped(self) -> bool:
        """Whether a person asked that all of it stops, to be resumed later."""

    @property
    def is_waiting(self) -> bool:
        """Whether there is no next task now, and a person may bring one by going on with what is paused."""

    def look(self, *, now: bool = False) -> None:
        """Looks, every few seconds or ``now``, whether people asked for something."""

    def is_held(self, number: int) -> bool:
        """Whether a task is to give its worker back for the time being."""

    def paused(self, number: int) -> None:
        """A task has saved what it had, and its worker is given back; it is handed out again when it is continued."""

    def next_task(self) -> TrialTask | None:
        """The next task to run, or none: then no more will come, unless ``is_waiting``."""

    def reported(self, number: int, report: EpochReport) -> Decision:
        """Records a report and answers it."""

    def finished(self, number: int, outcome: TrialOutcome) -> None:
        """Records the end of a task."""

    def failed(self, number: int, failure: TrialFailure) -> None:
        """Records that a task cannot go on."""

    def lost(self, number: int, *, reason: str) -> None:
        """A task's worker was lost; the task is handed out again, or ends where the time is up."""

    def machine_excluded(self, *, host: str, reason: str, trials: Sequence[int]) -> None:
        """A machine gets no further task: these trials failed there in a row, and went on elsewhere."""

"""What an executor needs of whatever it carries out: tasks to hand out, and somebody who hears how they go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hico_platform.enums import Decision
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.task import TrialTask


class TaskSource(Protocol):
    """A search (:class:`~hico_platform.search.controller.SearchController`) or the runs of a final stage.

    Every call may come twice with the same content.
    """

    @property
    def at_work(self) -> int:
        """How many tasks are with workers."""

    @property
    def time_is_up(self) -> bool:
        """Whether nothing more is to be waited for."""

    def next_task(self) -> TrialTask | None:
        """The next task to carry out, or nothing: then no more will come."""

    def reported(self, number: int, report: EpochReport) -> Decision:
        """Takes a report and answers it."""

    def finished(self, number: int, outcome: TrialOutcome) -> None:
        """A task came to its end."""

    def failed(self, number: int, failure: TrialFailure) -> None:
        """A task cannot go on."""

    def lost(self, number: int, *, reason: str) -> None:
        """A task's worker is gone; the task is to be handed out again, or is over where no time is left for it."""

    def left_out(self, *, host: str, reason: str, trials: Sequence[int]) -> None:
        """A machine gets no further task: these failed there in a row, and went on elsewhere."""

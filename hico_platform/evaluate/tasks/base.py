"""The interface of a downstream task."""

from __future__ import annotations

from typing import Protocol

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.scores import TaskResult


class EvaluationTask(Protocol):
    """A downstream task: from features, or from an encoder, to scores.

    Tasks hold no state: what they need comes with ``Evaluated``, and the same one gives the same scores again.
    """

    @property
    def name(self) -> str:
        """What ``evaluate --tasks`` calls it."""

    @property
    def quick(self) -> bool:
        """Whether it fits features and trains no encoder: a minute at most on 40,000 sequences and two cores."""

    def missing(self, evaluated: Evaluated) -> str | None:
        """What the task needs and is not there, such as "an encoder" or "a target dataset"; None: it can run."""

    def run(self, evaluated: Evaluated) -> TaskResult:
        """The scores of what is evaluated. It is not called where something is ``missing``."""

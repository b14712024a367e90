"""The steps of an evaluation, counted and timed while they run."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator

from hico_platform.commands.evaluation_report import EvaluationProgress, Watch


class EvaluationStep:
    """One step of an evaluation while it runs."""

    def __init__(self, watch: Watch, now: EvaluationProgress) -> None:
        self._watch, self._now = watch, now
        self._began_s = time.monotonic()
        self.seconds = 0.0
        watch(now)

    def tick(self) -> None:
        """A sign of life; one more of the total, where there is one that nothing else counts."""
        if not self._now.detail:
            done = min(self._now.done + 1, self._now.total)
            self._now = dataclasses.replace(self._now, done=done)
        self._watch(self._now)

    def part(self, detail: str, done: int, total: int) -> None:
        """How much of a part of the step is done."""
        self._now = dataclasses.replace(self._now, detail=detail, done=done, total=total)
        self._watch(self._now)

    def end(self) -> None:
        """Says that the step has ended, and how long it took."""
        self.seconds = time.monotonic() - self._began_s
        self._watch(dataclasses.replace(self._now, done=self._now.total, detail="", ended=True))


class EvaluationSteps:
    """Counts the steps and passes on what they say of their progress."""

    def __init__(self, watch: Watch) -> None:
        self.count = 0
        self._watch = watch
        self._number = 0
        self._current: EvaluationStep | None = None

    def alive(self) -> None:
        """Called by what computes."""
        if self._current is not None:
            self._current.tick()

    def part(self, detail: str, done: int, total: int) -> None:
        """Called by what trains."""
        if self._current is not None:
            self._current.part(detail, done, total)

    @contextlib.contextmanager
    def step(self, entry: str, task: str, *, total: int = 0) -> Iterator[EvaluationStep]:
        """Within the block this is what runs."""
        self._number += 1
        self._current = EvaluationStep(
            self._watch,
            EvaluationProgress(entry=entry, task=task, number=self._number, steps=self.count, total=total),
        )
        yield self._current
        self._current.end()

"""What a command does while nothing that people asked for moves yet, with the time that this has taken."""

from __future__ import annotations

import time
from collections.abc import Callable

from hico_platform.cli.views.clock import clock

INTERRUPTED = "interrupted: saving what is trained; Ctrl-C again ends at once, and loses the epochs since a checkpoint"


class PhaseLine:
    """The present phase in words, such as ``starting Ray (0:12)``.

    Args:
        timer: seconds.
    """

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._name = ""
        self._began_s = timer()
        self._done, self._total = 0, 0

    @property
    def name(self) -> str:
        """The phase; empty where none is shown."""
        return self._name

    def begin(self, name: str) -> bool:
        """Begins a phase; returns whether it is another than the present one."""
        if name == self._name:
            return False
        self._name, self._began_s = name, self._timer()
        self._done, self._total = 0, 0
        return True

    def progress(self, done: int, total: int) -> None:
        """Notes how much of the phase is done."""
        self._done, self._total = done, total

    def end(self) -> None:
        """From here on something else is shown."""
        self._name = ""

    @property
    def elapsed_s(self) -> float:
        """How long the phase has taken."""
        return self._timer() - self._began_s

    def __str__(self) -> str:
        """``making the embedded dataset: 1,200 of 2,880, 0:07 left``, or the name and the time that it has taken."""
        if not self._name:
            return ""
        passed_s = self.elapsed_s
        if not self._total:
            return f"{self._name} ({clock(passed_s)})"
        left = ""
        if 0 < self._done < self._total:
            left = f", {clock(passed_s / self._done * (self._total - self._done))} left"
        return f"{self._name}: {self._done:,} of {self._total:,}{left}"

"""A line at growing intervals where a screen is not redrawn, so that a log shows that work goes on and stays short."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from hico_platform.interruptions import is_interrupted

_STEP_S = 0.5


def beats() -> Iterator[float]:
    """Seconds since the beginning at which a line is due: 10, 30, then every minute, after ten of them every five."""
    yield from (10.0, 30.0)
    at_s = 60.0
    while True:
        yield at_s
        at_s += 60.0 if at_s < 600.0 else 300.0


class Heartbeat:
    """Calls a function at the times of :func:`beats`, and another once when the command is interrupted.

    Both are called in a thread of its own while the block runs.

    Args:
        beat: prints a line.
        on_interrupt: says what happens until the command has ended.
        clock: seconds.
        wait: waits for so many seconds, and returns whether the block has ended.
    """

    def __init__(
        self,
        beat: Callable[[], None],
        *,
        on_interrupt: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._beat, self._on_interrupt, self._clock = beat, on_interrupt, clock
        self._ended = threading.Event()
        self._wait = wait or self._ended.wait
        self._thread = threading.Thread(target=self.run, name="progress", daemon=True)

    def run(self) -> None:
        """Calls the functions until the block ends."""
        began_s, due, was_interrupted = self._clock(), beats(), False
        next_s = next(due)
        while not self._wait(_STEP_S):
            if is_interrupted() and not was_interrupted:
                was_interrupted = True
                self._on_interrupt()
            passed_s = self._clock() - began_s
            if passed_s >= next_s:
                self._beat()
                while next_s <= passed_s:
                    next_s = next(due)

    def __enter__(self) -> Heartbeat:
        """Begins."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends, without waiting long for a line that is being printed."""
        self._ended.set()
        self._thread.join(timeout=1.0)

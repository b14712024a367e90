"""Writes to a tracking store in the background, in order, however long the store is away, in bounded memory."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from hico_platform.tracking.base import TrackingError, TrackingRefused

_log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
MOST_WAITING = 2000


class Outbox:
    """A line of writes and one thread that carries them out.

    A write that fails with TrackingError is tried again, and those behind it wait, so that nothing arrives
    out of order. Writes are kept in memory alone, and only so many: whoever submits them can make them again
    from what it has.
    """

    def __init__(self, *, first_wait_s: float = FIRST_WAIT_S, most_waiting: int = MOST_WAITING) -> None:
        self._line: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._first_wait_s = first_wait_s
        self._most_waiting = most_waiting
        self._closing = threading.Event()
        self._patience_s = self._deadline_s = float("inf")
        self._last_error: str | None = None
        self._unexpected: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the store is away, while it is."""
        return self._last_error

    @property
    def waiting(self) -> int:
        """Writes that are not carried out yet."""
        return self._line.unfinished_tasks

    @property
    def is_full(self) -> bool:
        """Whether as many writes wait as are kept; what comes now is better made again later."""
        return self.waiting >= self._most_waiting

    def submit(self, write: Callable[[], None]) -> None:
        """Puts a write at the end of the line, full or not; returns at once."""
        self._line.put(write)

    def close(self, *, patience_s: float) -> int:
        """Waits for the line to empty; gives up on a store that takes nothing for ``patience_s``.

        Returns:
            the number of writes that were given up.
        """
        self._patience_s = patience_s
        self._deadline_s = time.monotonic() + patience_s
        self._closing.set()
        self._line.put(None)
        self._thread.join()
        if self._unexpected is not None:
            raise self._unexpected
        return max(0, self._line.unfinished_tasks - 1)

    def _work(self) -> None:
        while True:
            write = self._line.get()
            if write is None:
                self._line.task_done()
                return
            if not self._carry_out(write):
                return
            self._line.task_done()

    def _carry_out(self, write: Callable[[], None]) -> bool:
        wait_s = self._first_wait_s
        while True:
            try:
                write()
            except TrackingError as error:
                if self._last_error is None:
                    _log.warning("the tracking store is away, the search goes on: %s", error)
                self._last_error = str(error)
                if self._closing.is_set() and time.monotonic() + wait_s > self._deadline_s:
                    return False
                if self._closing.is_set():
                    time.sleep(wait_s)
                elif self._closing.wait(wait_s):  # little time is left: ask often again
                    wait_s = self._first_wait_s
                    continue
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except TrackingRefused as error:
                _log.warning("the tracking store refused a write: %s", error)
                return True
            except BaseException as error:
                self._unexpected = error
                return True
            else:
                self._last_error = None
                self._deadline_s = time.monotonic() + self._patience_s
                return True

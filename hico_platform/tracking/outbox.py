"""Writes to a tracking store in the background, in order, however long the store is away, in bounded memory."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hico_platform.tracking.base import TrackingError, TrackingRefused

_log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
MOST_WAITING = 2000
MOST_REASONS = 10


class Outbox:
    """A queue of writes and one thread that makes them.

    A write that fails with TrackingError is tried again, and those behind it wait, so that nothing arrives
    out of order. A write that is refused is left out and counted. Writes are kept in memory alone, and only so
    many: the caller can make them again from the ledger or from results on disk.

    Args:
        first_wait_s: the wait before a failed write is tried again; it doubles each time.
        most_waiting: writes that are kept.
        most_answers: so many error answers of a server count as a refusal; by default none do.
    """

    def __init__(
        self,
        *,
        first_wait_s: float = FIRST_WAIT_S,
        most_waiting: int = MOST_WAITING,
        most_answers: int | None = None,
    ) -> None:
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._submitted_s: deque[float] = deque()  # of the writes that are not made yet
        self._first_wait_s = first_wait_s
        self._most_waiting = most_waiting
        self._most_answers = most_answers
        self._closing = threading.Event()
        self._patience_s = self._deadline_s = self._end_s = float("inf")
        self._last_error: str | None = None
        self._refused = 0
        self._refusals: list[str] = []
        self._unexpected: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the store is away, while it is."""
        return self._last_error

    @property
    def waiting(self) -> int:
        """Writes that are not made yet."""
        return self._queue.unfinished_tasks

    @property
    def behind_s(self) -> float:
        """For how long the oldest of them has waited; 0 where none waits."""
        try:
            return time.monotonic() - self._submitted_s[0]
        except IndexError:
            return 0.0

    @property
    def is_full(self) -> bool:
        """Whether as many writes wait as are kept; further ones should be made again later."""
        return self.waiting >= self._most_waiting

    @property
    def refused(self) -> int:
        """Writes that the store refused."""
        return self._refused

    @property
    def refusal(self) -> str | None:
        """Why the first of them was refused."""
        return self._refusals[0] if self._refusals else None

    def submit(self, write: Callable[[], None]) -> None:
        """Adds a write at the end of the queue, full or not; returns at once."""
        self._submitted_s.append(time.monotonic())
        self._queue.put(write)

    @contextmanager
    def leaving_out_what_is_refused(self) -> Iterator[None]:
        """For parts of a write: a refusal of one part is counted, and the next part is made."""
        try:
            yield
        except TrackingRefused as error:
            self._count(str(error))

    def hurry(self, *, patience_s: float, at_most_s: float = float("inf")) -> None:
        """Begins to close: the queue has ``patience_s`` without a success, and ``at_most_s`` in all."""
        now_s = time.monotonic()
        self._patience_s, self._end_s = patience_s, now_s + at_most_s
        self._deadline_s = now_s + patience_s
        self._closing.set()

    def close(self, *, patience_s: float, at_most_s: float = float("inf")) -> int:
        """Waits for the queue to empty; gives up on a store that takes nothing for ``patience_s``.

        Args:
            patience_s: how long a store that is away is waited for; each write that it takes restarts the wait.
            at_most_s: the end in any case, even of a write that is being made.

        Returns:
            the number of writes that were given up.
        """
        if not self._closing.is_set():
            self.hurry(patience_s=patience_s, at_most_s=at_most_s)
        self._queue.put(None)
        left_s = self._end_s - time.monotonic()
        self._thread.join(None if left_s == float("inf") else max(0.0, left_s))
        if self._unexpected is not None:
            raise self._unexpected
        return max(0, self._queue.unfinished_tasks - 1)

    def _work(self) -> None:
        while True:
            write = self._queue.get()
            if write is None:
                self._queue.task_done()
                return
            if time.monotonic() > self._end_s or not self._make(write):
                return
            self._submitted_s.popleft()
            self._queue.task_done()

    def _make(self, write: Callable[[], None]) -> bool:
        """Makes a write, and tries again while the store is away; returns whether to go on with the next one."""
        wait_s = self._first_wait_s
        answers = 0
        while True:
            try:
                write()
            except TrackingError as error:
                answers += error.answered
                if self._most_answers is not None and answers >= self._most_answers:
                    self._count(str(error))
                    return True
                if self._last_error is None:
                    _log.warning("the tracking store is away, the work goes on: %s", error)
                self._last_error = str(error)
                if self._closing.is_set() and time.monotonic() + wait_s > min(self._deadline_s, self._end_s):
                    return False
                if self._closing.is_set():
                    time.sleep(wait_s)
                elif self._closing.wait(wait_s):  # little time is left: try often again
                    wait_s = self._first_wait_s
                    continue
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except TrackingRefused as error:
                self._count(str(error))
                return True
            except BaseException as error:
                self._unexpected = error
                return True
            else:
                self._last_error = None
                self._deadline_s = time.monotonic() + self._patience_s
                return True

    def _count(self, reason: str) -> None:
        """Counts a refusal; each reason is warned of once."""
        self._refused += 1
        self._last_error = None
        # Addresses and ids may make each reason another one.
        if reason not in self._refusals and len(self._refusals) < MOST_REASONS:
            _log.warning("the tracking store refused a write, the work goes on: %s", reason)
            self._refusals.append(reason)

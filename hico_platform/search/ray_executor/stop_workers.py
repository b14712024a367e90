"""An interrupted search asks its workers to save: each leaves its last whole epoch before the cluster goes down.

Ray ends a worker's process without a word to the function in it, which may not have saved for a minute. So each
worker's process has a thread that waits for the driver to ask (at the mailbox, which also outlives lost workers) and
then raises :class:`Stopped` in the thread of the trial, which saves as it does whenever it is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import ray

SAVE_S = 5.0
"""How long an interrupted search waits for its workers."""
_POLL_S = 20.0
_DEAD_S = 30.0


class Stopped(BaseException):
    """The driver was interrupted. No Exception: a trial is not to take it for its own failure."""


class StopRequests:
    """The part of the mailbox that tells workers; it runs in an actor's event loop."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._last_heard_s: dict[str, float] = {}
        self._stopped = asyncio.Event()

    async def until_stop(self, worker: str, poll_s: float = _POLL_S) -> bool:
        """Whether the driver has asked, as soon as it has; a worker asks again and again, so a dead one is known."""
        self._last_heard_s[worker] = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), poll_s)
        return self._asked.is_set()

    async def stopped(self, worker: str) -> None:
        """A worker has saved what it had."""
        self._last_heard_s.pop(worker, None)
        if not self._last_heard_s:
            self._stopped.set()

    async def stop(self, within_s: float, dead_s: float = _DEAD_S) -> int:
        """Asks all workers, and waits for them; returns how many were not heard of in time."""
        alive_s = time.monotonic() - dead_s
        self._last_heard_s = {worker: at_s for worker, at_s in self._last_heard_s.items() if at_s > alive_s}
        self._asked.set()
        if self._last_heard_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), within_s)
        return len(self._last_heard_s)


class TaskAtWork:
    """The task of this process, and the thread it runs in."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._thread = threading.get_ident()
        self._reporting = False

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """While it waits for the driver's answer: all that it has is saved then."""
        self._reporting = True
        try:
            yield
        finally:
            self._reporting = False

    def stop(self) -> None:
        """Cuts it off, and waits until it has saved."""
        if self._reporting or self.over.is_set():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Stopped))
        self.over.wait(SAVE_S)


class _Process:
    """What this worker's process does; it works for one driver, and so with one mailbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_watched = False
        self._task: TaskAtWork | None = None

    @contextmanager
    def works_at(self, mailbox: Any) -> Iterator[TaskAtWork]:
        with self._lock:
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, args=(mailbox,), name="stop requests", daemon=True).start()
        task = self._task = TaskAtWork()
        try:
            yield task
        finally:
            self._task = None
            task.over.set()

    def _watch(self, mailbox: Any) -> None:
        worker = f"{socket.gethostname()}/{os.getpid()}/{time.time_ns()}"
        try:
            while not ray.get(mailbox.until_stop.remote(worker)):
                pass
            task = self._task
            if task is not None:
                task.stop()
            ray.get(mailbox.stopped.remote(worker))
        except ray.exceptions.RayError:  # the driver is gone, and its mailbox
            return


_process = _Process()


def stoppable(mailbox: Any) -> AbstractContextManager[TaskAtWork]:
    """In the block this process's task is cut off, wherever it is, when the driver asks."""
    return _process.works_at(mailbox)


def stop_workers(mailbox: Any, *, within_s: float) -> int:
    """Asks the workers of a cluster to save and stop; returns how many were not heard of in time."""
    try:
        return int(ray.get(mailbox.stop.remote(within_s), timeout=within_s + 1))
    except ray.exceptions.RayError:  # the cluster is gone as well
        return 0

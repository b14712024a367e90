"""An interrupted search asks its workers to save their last whole epoch before the cluster is shut down.

Ray ends a worker's process without notifying the function in it, which may not have saved for a minute. So each worker
process has a thread that waits for the driver's request (at the mailbox, which also outlives lost workers) and then
raises :class:`Stopped` in the thread of the trial, which saves as it does on any other exception.
A trial that is paused is stopped in the same way, alone.
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
from dataclasses import dataclass
from typing import Any

import ray

SAVE_S = 5.0
"""How long an interrupted search waits for its workers to save."""
_POLL_S = 20.0
_DEAD_S = 30.0
"""A worker that has not polled for so long is not waited for."""


class Stopped(BaseException):
    """The driver was interrupted. No Exception: a trial must not treat it as its own failure."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the driver wants of workers.

    Attributes:
        all_stopped: whether all of them stop.
        paused: the attempts that give their workers back.
        version: differs from that of what was wanted before.
    """

    all_stopped: bool
    paused: frozenset[str]
    version: int


class StopRequests:
    """The part of the mailbox that asks workers to stop; it runs in an actor's event loop."""

    def __init__(self) -> None:
        self._paused: set[str] = set()
        self._version = 0
        self._changed = asyncio.Event()
        self._requested = asyncio.Event()
        self._last_seen_s: dict[str, float] = {}
        self._all_stopped = asyncio.Event()

    async def wait_for_stop(self, worker: str, seen: int = 0, poll_s: float = _POLL_S) -> Wanted:
        """What the driver wants, returned as soon as that is no longer the version that was ``seen``.

        Workers poll, so that dead ones are noticed.
        """
        self._last_seen_s[worker] = time.monotonic()
        if self._version == seen:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), poll_s)
        return Wanted(all_stopped=self._requested.is_set(), paused=frozenset(self._paused), version=self._version)

    async def pause(self, key: str) -> None:
        """Asks the worker of an attempt to save and to end; asked again it changes nothing."""
        if key not in self._paused:
            self._paused.add(key)
            self._tell()

    def _tell(self) -> None:
        """Wakes everyone that waits."""
        self._version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def stopped(self, worker: str) -> None:
        """A worker has saved what it had."""
        self._last_seen_s.pop(worker, None)
        if not self._last_seen_s:
            self._all_stopped.set()

    async def stop(self, within_s: float, dead_s: float = _DEAD_S) -> int:
        """Asks all workers to stop, and waits for them; returns how many did not answer in time."""
        alive_s = time.monotonic() - dead_s
        self._last_seen_s = {worker: at_s for worker, at_s in self._last_seen_s.items() if at_s > alive_s}
        self._requested.set()
        self._tell()
        if self._last_seen_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_stopped.wait(), within_s)
        return len(self._last_seen_s)


class RunningTask:
    """The task that runs in this process, and its thread; ``paused`` says that it was stopped alone.

    Args:
        key: the attempt.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.paused = False
        self.ended = threading.Event()
        self._thread = threading.get_ident()
        self._reporting = False

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """While the task waits for the driver's answer everything is saved, so it is not interrupted."""
        self._reporting = True
        try:
            yield
        finally:
            self._reporting = False

    def stop(self) -> None:
        """Interrupts the task, and waits until it has saved."""
        if self._reporting or self.ended.is_set():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Stopped))
        self.ended.wait(SAVE_S)


class _WorkerState:
    """The state of this worker's process, which works for one driver and so with one mailbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_watched = False
        self._task: RunningTask | None = None

    @contextmanager
    def running(self, mailbox: Any, key: str) -> Iterator[RunningTask]:
        with self._lock:
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, args=(mailbox,), name="stop requests", daemon=True).start()
        task = self._task = RunningTask(key)
        try:
            yield task
        finally:
            self._task = None
            task.ended.set()

    def _watch(self, mailbox: Any) -> None:
        worker = f"{socket.gethostname()}/{os.getpid()}/{time.time_ns()}"
        try:
            wanted: Wanted = ray.get(mailbox.wait_for_stop.remote(worker))
            while not wanted.all_stopped:
                task = self._task
                if task is not None and task.key in wanted.paused and not task.paused:
                    task.paused = True
                    task.stop()
                wanted = ray.get(mailbox.wait_for_stop.remote(worker, wanted.version))
            task = self._task
            if task is not None:
                task.stop()
            ray.get(mailbox.stopped.remote(worker))
        except ray.exceptions.RayError:  # the driver ended, and its mailbox with it
            return


_state = _WorkerState()


def stoppable(mailbox: Any, key: str) -> AbstractContextManager[RunningTask]:
    """In the block, the task of this process is interrupted wherever it is when the driver asks it to stop."""
    return _state.running(mailbox, key)


def stop_workers(mailbox: Any, *, within_s: float) -> int:
    """Asks the workers of a cluster to save and stop; returns how many did not answer in time."""
    try:
        return int(ray.get(mailbox.stop.remote(within_s), timeout=within_s + 1))
    except ray.exceptions.RayError:  # the cluster ended as well
        return 0

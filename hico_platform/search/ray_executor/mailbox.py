"""The actor between driver and workers: it passes on answers to reports, and collects heartbeats.

It runs on the driver's machine.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hico_platform.search.ray_executor.stop_workers import StopRequests
from hico_platform.search.ray_executor.worker_message import WorkerProcess
from hico_platform.search.worker_timeouts import Heartbeats


@dataclass(frozen=True, kw_only=True)
class MailboxSnapshot:
    """What the mailbox knows of workers.

    Args:
        pid: the mailbox's own process.
        heartbeats: by attempt.
        activities: what each attempt does, and the last epoch that it has ended.
        processes: the worker of each attempt.
    """

    pid: int
    heartbeats: Mapping[str, Heartbeats]
    processes: Mapping[str, WorkerProcess]
    activities: Mapping[str, tuple[str | None, int | None]] = field(default_factory=dict)


class Mailbox(StopRequests):
    """Passes the driver's answers to workers, whichever of the two comes first, and counts workers' heartbeats.

    ``key`` identifies one attempt at a task, so a worker that was given up takes no answer of the next attempt.
    """

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[tuple[str, int], asyncio.Queue[str]] = defaultdict(asyncio.Queue)
        self._counts: dict[str, int] = defaultdict(int)
        self._epochs_s: dict[str, list[float]] = defaultdict(list)
        self._processes: dict[str, WorkerProcess] = {}
        self._activities: dict[str, tuple[str | None, int | None]] = {}

    async def put_answer(self, key: str, epoch: int, answer: str) -> None:
        """Stores the driver's answer to the report at ``epoch``."""
        self._answers[key, epoch].put_nowait(answer)

    async def take_answer(self, key: str, epoch: int) -> str:
        """Waits for the driver's answer to the report at ``epoch``."""
        answer = await self._answers[key, epoch].get()
        self._answers.pop((key, epoch), None)
        return answer

    async def begin(self, key: str, process: WorkerProcess) -> None:
        """A worker begins an attempt, which is its first heartbeat."""
        self._processes[key] = process
        self._counts[key] += 1

    async def heartbeat(
        self, key: str, epochs_s: tuple[float, ...], doing: str | None = None, epoch: int | None = None
    ) -> None:
        """A worker makes progress; ``epochs_s`` are the seconds of its epochs since the last heartbeat.

        ``doing`` is what it does now, ``epoch`` the last that it has ended.
        """
        self._counts[key] += 1
        self._activities[key] = doing, epoch
        self._epochs_s[key].extend(epochs_s)

    async def snapshot(self, finished: Collection[str]) -> MailboxSnapshot:
        """What has arrived; afterwards ``finished`` attempts are forgotten. An epoch's seconds are returned once."""
        epochs_s, self._epochs_s = self._epochs_s, defaultdict(list)
        snapshot = MailboxSnapshot(
            pid=os.getpid(),
            heartbeats={
                key: Heartbeats(count=count, epochs_s=tuple(epochs_s.get(key, ())))
                for key, count in self._counts.items()
            },
            processes=dict(self._processes),
            activities=dict(self._activities),
        )
        for key in finished:
            self._counts.pop(key, None)
            self._processes.pop(key, None)
            self._activities.pop(key, None)
            self._paused.discard(key)
        for waiting in [waiting for waiting in self._answers if waiting[0] in finished]:
            del self._answers[waiting]
        return snapshot

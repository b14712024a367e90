"""What lies between driver and workers: answers to reports, and signs of life; an actor on the driver's machine."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hico_platform.search.ray_executor.stop_workers import StopRequests
from hico_platform.search.ray_executor.worker_message import WorkerProcess
from hico_platform.search.silence import Signs


@dataclass(frozen=True, kw_only=True)
class MailboxLook:
    """What the mailbox knows of workers: signs of life, and the process of each task; ``pid`` is its own."""

    pid: int
    signs: Mapping[str, Signs]
    processes: Mapping[str, WorkerProcess]


class Mailbox(StopRequests):
    """Answers on their way to workers, where whoever comes first waits for the other, and workers' signs of life.

    ``key`` stands for one time of handing out a task: a worker that was given up takes no answer of the next one's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[tuple[str, int], asyncio.Queue[str]] = defaultdict(asyncio.Queue)
        self._counts: dict[str, int] = defaultdict(int)
        self._epochs_s: dict[str, list[float]] = defaultdict(list)
        self._processes: dict[str, WorkerProcess] = {}

    async def put(self, key: str, epoch: int, answer: str) -> None:
        """The driver's answer to the report at ``epoch``."""
        self._answers[key, epoch].put_nowait(answer)

    async def take(self, key: str, epoch: int) -> str:
        """The worker's."""
        answer = await self._answers[key, epoch].get()
        self._answers.pop((key, epoch), None)
        return answer

    async def begin(self, key: str, process: WorkerProcess) -> None:
        """A worker begins with a task: its first sign of life."""
        self._processes[key] = process
        self._counts[key] += 1

    async def sign(self, key: str, epochs_s: tuple[float, ...]) -> None:
        """A worker is alive; ``epochs_s`` are the seconds of the epochs since it last said so."""
        self._counts[key] += 1
        self._epochs_s[key].extend(epochs_s)

    async def look(self, over: Collection[str]) -> MailboxLook:
        """The driver's: what came; tasks that are ``over`` are forgotten. The seconds of an epoch are given once."""
        epochs_s, self._epochs_s = self._epochs_s, defaultdict(list)
        look = MailboxLook(
            pid=os.getpid(),
            signs={
                key: Signs(count=count, epochs_s=tuple(epochs_s.get(key, ()))) for key, count in self._counts.items()
            },
            processes=dict(self._processes),
        )
        for key in over:
            self._counts.pop(key, None)
            self._processes.pop(key, None)
        for waiting in [waiting for waiting in self._answers if waiting[0] in over]:
            del self._answers[waiting]
        return look

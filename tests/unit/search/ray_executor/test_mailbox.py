from __future__ import annotations

import asyncio

from hico_platform.search.ray_executor.mailbox import Mailbox, MailboxSnapshot
from hico_platform.search.ray_executor.worker_message import WorkerProcess
from hico_platform.search.worker_timeouts import Heartbeats

PROCESS = WorkerProcess(pid=7, host="here", machine="m", actor="f00d")


def test_answers_and_heartbeats_arrive_and_ended_attempts_are_forgotten() -> None:
    async def talk() -> MailboxSnapshot:
        mailbox = Mailbox()
        await mailbox.begin("a", PROCESS)
        await mailbox.heartbeat("a", (1.0, 2.0), "training", 2)
        await mailbox.put_answer("gone", 3, "stop")
        taken = asyncio.create_task(mailbox.take_answer("a", 3))
        await mailbox.put_answer("a", 3, "continue")
        assert await taken == "continue"
        first = await mailbox.snapshot(["gone"])
        assert first.heartbeats["a"] == Heartbeats(count=2, epochs_s=(1.0, 2.0))
        assert first.processes == {"a": PROCESS}
        assert first.activities == {"a": ("training", 2)}
        assert not mailbox._answers
        await mailbox.snapshot(["a"])
        return await mailbox.snapshot([])

    last = asyncio.run(talk())
    assert (last.heartbeats, last.activities) == ({}, {})

"""Workers that save when the driver is interrupted, without a cluster."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from hico_platform.search.ray_executor.stop_workers import RunningTask, Stopped, StopRequests


def test_a_task_is_cut_off_and_waited_for() -> None:
    begun, saved, tasks = threading.Event(), [], []

    def trial() -> None:
        task = RunningTask()
        tasks.append(task)
        try:
            begun.set()
            while True:
                time.sleep(0.001)
        except Stopped:
            saved.append("epoch")
        finally:
            task.ended.set()

    thread = threading.Thread(target=trial)
    thread.start()
    begun.wait(5)
    tasks[0].stop()
    assert saved == ["epoch"]
    thread.join(5)


def test_a_task_that_waits_for_an_answer_has_saved() -> None:
    task = RunningTask()
    with task.reporting():
        task.stop()  # would raise in this thread
    task.ended.set()
    task.stop()


def test_a_trial_cannot_take_it_for_its_own_failure() -> None:
    assert not issubclass(Stopped, Exception)


def test_the_driver_waits_for_all_that_live_and_no_longer() -> None:
    async def story() -> tuple[int, int]:
        requests = StopRequests()
        waiting = asyncio.create_task(requests.wait_for_stop("first"))
        await requests.wait_for_stop("silent", poll_s=0.001)
        await asyncio.sleep(0)

        async def first() -> None:
            assert (await waiting).all_stopped
            await requests.stopped("first")

        unheard, _ = await asyncio.gather(requests.stop(0.01), first())
        await requests.stopped("silent")
        return unheard, await requests.stop(60)

    assert asyncio.run(story()) == (1, 0)


def test_one_attempt_is_paused_however_late_its_worker_asks() -> None:
    async def story() -> None:
        requests = StopRequests()
        waiting = asyncio.create_task(requests.wait_for_stop("first"))
        await asyncio.sleep(0)
        for _ in range(2):
            await requests.pause("a")
        wanted = await waiting
        assert (wanted.all_stopped, wanted.paused, wanted.version) == (False, {"a"}, 1)
        assert await requests.wait_for_stop("late", seen=0, poll_s=60) == wanted
        again = asyncio.create_task(requests.wait_for_stop("first", wanted.version))
        await asyncio.sleep(0)
        await requests.pause("b")
        assert (await again).paused == {"a", "b"}

    asyncio.run(story())


@pytest.mark.parametrize("dead_s", [-1.0])
def test_a_worker_that_died_is_not_waited_for(dead_s: float) -> None:
    async def story() -> int:
        requests = StopRequests()
        await requests.wait_for_stop("dead", poll_s=0.001)
        return await requests.stop(60, dead_s)

    assert asyncio.run(story()) == 0

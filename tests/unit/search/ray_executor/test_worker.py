"""What a worker says, and what the driver makes of it, without a cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from hico_platform.search.messages import EpochReport
from hico_platform.search.ray_executor import watch, worker
from hico_platform.search.ray_executor.mailbox import Mailbox, MailboxLook
from hico_platform.search.ray_executor.watch import MAILBOX_S, MailboxReader, WorkerWatch
from hico_platform.search.ray_executor.worker import SIGN_EVERY_S, WorkerReport
from hico_platform.search.ray_executor.worker_message import WorkerProcess
from hico_platform.search.silence import Attempts, Signs
from hico_platform.search.task import alive_of

PROCESS = WorkerProcess(pid=7, host="here", machine="m", actor="f00d")


class Remote:
    """A method of an actor: keeps what it is called with."""

    def __init__(self, answer: object = None) -> None:
        self.calls: list[tuple[object, ...]] = []
        self._answer = answer

    def remote(self, *words: object) -> object:
        self.calls.append(words)
        return self._answer


@pytest.fixture
def mailbox() -> SimpleNamespace:
    return SimpleNamespace(take=Remote("continue"), sign=Remote(), put=Remote(), look=Remote("asked"))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_signs_of_life_are_sent_now_and_then(mailbox: SimpleNamespace) -> None:
    clock = Clock()
    alive = alive_of(WorkerReport(key="k", mailbox=mailbox, send=lambda content: None, clock=clock))
    for step in range(1, 21):
        clock.now_s = step * 1.0
        alive(epoch=step // 2 if step % 2 == 0 else None)
    times = 20 / SIGN_EVERY_S
    assert len(mailbox.sign.calls) == times
    assert {key for key, _ in mailbox.sign.calls} == {"k"}
    assert [second for _, seconds in mailbox.sign.calls for second in seconds] == [2.0] * 10


def test_epochs_of_a_trial_that_only_reports(mailbox: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    clock = Clock()

    def send(report: EpochReport) -> None:
        clock.now_s += 100.0  # the driver is busy, which is no epoch's time

    report = WorkerReport(key="k", mailbox=mailbox, send=send, clock=clock)
    for epoch in (3, 9):
        clock.now_s += 12.0
        report(EpochReport(epoch=epoch, metrics={}, history=(), checkpoint=Path("c")))
    assert report.epochs_s() == (2.0,), "where a resumed trial began is not known before its first report"
    assert report.epochs_s() == ()
    assert mailbox.take.calls == [("k", 3), ("k", 9)]


def test_a_plain_function_to_report_by_will_do() -> None:
    alive_of(lambda said: None)(epoch=3)


def test_the_mailbox() -> None:
    async def talk() -> MailboxLook:
        box = Mailbox()
        await box.begin("a", PROCESS)
        await box.sign("a", (1.0, 2.0))
        await box.put("gone", 3, "stop")
        taken = asyncio.create_task(box.take("a", 3))
        await box.put("a", 3, "continue")
        assert await taken == "continue"
        first = await box.look(["gone"])
        assert first.signs["a"] == Signs(count=2, epochs_s=(1.0, 2.0))
        assert first.processes == {"a": PROCESS}
        assert not box._answers
        await box.look(["a"])
        return await box.look([])

    assert asyncio.run(talk()).signs == {}


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[MailboxLook]:
    """What the mailbox answers, in order; while there is nothing it does not answer."""
    answers: list[MailboxLook] = []
    monkeypatch.setattr(watch.ray, "wait", lambda asked, timeout: (asked if answers else [], []))
    monkeypatch.setattr(watch.ray, "get", lambda asked: answers.pop(0))
    return answers


def said(*, pid: int = 1, count: int = 1) -> MailboxLook:
    return MailboxLook(pid=pid, signs={"a": Signs(count=count)}, processes={"a": PROCESS})


def test_a_mailbox_that_does_not_answer_is_not_waited_for(
    mailbox: SimpleNamespace, answered: list[MailboxLook], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(watch.os, "kill", lambda pid, number: killed.append(pid))
    reader = MailboxReader(mailbox)
    assert reader.look(2 * MAILBOX_S) is None, "it may still be starting"
    answered.append(said(pid=5))
    assert reader.look(1.0) is not None
    reader.answer("a", 3, "stop")
    assert reader.look(MAILBOX_S) is None
    assert killed == []
    assert reader.look(1.0) is None
    assert killed == [5]
    answered.append(said(pid=6))
    assert reader.look(1.0) is not None
    assert mailbox.put.calls == [("a", 3, "stop")] * 2, "the new one gets the answers of the old one"


def test_only_time_in_which_the_driver_looked_counts(mailbox: SimpleNamespace, answered: list[MailboxLook]) -> None:
    clock = Clock()
    attempts = Attempts(silence_minutes=1)
    workers = WorkerWatch(attempts=attempts, reader=MailboxReader(mailbox), clock=clock)
    actor = SimpleNamespace(_actor_id=b"\xf0\x0d")
    trial = SimpleNamespace(trial_id="a", temporary_state=SimpleNamespace(ray_actor=actor))
    attempts.add("a")
    found = []
    for _ in range(30):
        clock.now_s += 600.0  # it was paused, or waited for its database
        answered.append(said())
        found += workers.look(None, [trial])
    assert [(overdue.key, handle) for overdue, handle in found] == [("a", actor)]
    assert workers.process("a") == PROCESS
    assert workers.process("b", actor) == PROCESS, "by its actor"

from __future__ import annotations

import dataclasses
import pickle
from types import SimpleNamespace

import pytest

from hico_platform.search.messages import Activity
from hico_platform.search.ray_executor import worker_monitor
from hico_platform.search.ray_executor.mailbox import MailboxSnapshot
from hico_platform.search.ray_executor.worker_message import WorkerProcess
from hico_platform.search.ray_executor.worker_monitor import MAILBOX_TIMEOUT_S, MailboxClient, WorkerMonitor
from hico_platform.search.task import TrialActivity
from hico_platform.search.worker_timeouts import Heartbeats, TaskAttempts
from tests.unit.search.ray_executor.remote import Remote

PROCESS = WorkerProcess(pid=7, host="here", machine="m", actor="f00d")


@pytest.fixture
def mailbox() -> SimpleNamespace:
    return SimpleNamespace(put_answer=Remote(), snapshot=Remote("request"))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def snapshots(monkeypatch: pytest.MonkeyPatch) -> list[MailboxSnapshot]:
    """What the mailbox answers, in order; while there is nothing it does not answer."""
    answers: list[MailboxSnapshot] = []
    monkeypatch.setattr(worker_monitor.ray, "wait", lambda refs, timeout: (refs if answers else [], []))
    monkeypatch.setattr(worker_monitor.ray, "get", lambda ref: answers.pop(0))
    return answers


def snapshot(*, pid: int = 1, count: int = 1) -> MailboxSnapshot:
    return MailboxSnapshot(pid=pid, heartbeats={"a": Heartbeats(count=count)}, processes={"a": PROCESS})


def test_a_mailbox_that_does_not_answer_is_not_waited_for(
    mailbox: SimpleNamespace, snapshots: list[MailboxSnapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(worker_monitor.os, "kill", lambda pid, number: killed.append(pid))
    client = MailboxClient(mailbox)
    assert client.poll(2 * MAILBOX_TIMEOUT_S) is None, "it may still be starting"
    snapshots.append(snapshot(pid=5))
    assert client.poll(1.0) is not None
    client.answer("a", 3, "stop")
    assert client.poll(MAILBOX_TIMEOUT_S) is None
    assert killed == []
    assert client.poll(1.0) is None
    assert killed == [5]
    snapshots.append(snapshot(pid=6))
    assert client.poll(1.0) is not None
    assert mailbox.put_answer.calls == [("a", 3, "stop")] * 2, "the new one gets the answers of the old one"


def tune_trial(actor: object) -> SimpleNamespace:
    task = SimpleNamespace(number=3)
    return SimpleNamespace(trial_id="a", config={"task": task}, temporary_state=SimpleNamespace(ray_actor=actor))


def test_what_a_trial_does_is_passed_on_when_it_changes(
    mailbox: SimpleNamespace, snapshots: list[MailboxSnapshot]
) -> None:
    seen: list[TrialActivity] = []
    attempts = TaskAttempts()
    monitor = WorkerMonitor(attempts=attempts, mailbox=MailboxClient(mailbox), on_activity=seen.append)
    trial = tune_trial(SimpleNamespace(_actor_id=b"\xf0\x0d"))
    attempts.add("a")
    for doing, epoch in ((None, None), ("training", None), ("training", None), ("training", 2)):
        activities = {} if doing is None else {"a": (doing, epoch), "other": ("training", 9)}
        snapshots.append(dataclasses.replace(snapshot(), activities=activities))
        monitor.poll(None, [trial])
    assert seen == [
        TrialActivity(number=3, doing=Activity.TRAINING, epoch=None),
        TrialActivity(number=3, doing=Activity.TRAINING, epoch=2),
    ]


def test_tune_may_pickle_it_with_whatever_is_told(mailbox: SimpleNamespace) -> None:
    monitor = WorkerMonitor(attempts=TaskAttempts(), mailbox=MailboxClient(mailbox), on_activity=lambda activity: None)
    assert pickle.loads(pickle.dumps(monitor)) is None


def test_only_time_in_which_the_driver_polled_counts(
    mailbox: SimpleNamespace, snapshots: list[MailboxSnapshot]
) -> None:
    clock = Clock()
    attempts = TaskAttempts(silence_minutes=1)
    monitor = WorkerMonitor(attempts=attempts, mailbox=MailboxClient(mailbox), clock=clock)
    actor = SimpleNamespace(_actor_id=b"\xf0\x0d")
    trial = tune_trial(actor)
    attempts.add("a")
    found = []
    for _ in range(30):
        clock.now_s += 600.0  # it was paused, or waited for its database
        snapshots.append(snapshot())
        found += monitor.poll(None, [trial])
    assert [(overdue.key, handle) for overdue, handle in found] == [("a", actor)]
    assert monitor.process("a") == PROCESS
    assert monitor.process("b", actor) == PROCESS, "by its actor"


def test_a_heartbeat_is_heard_once(mailbox: SimpleNamespace, snapshots: list[MailboxSnapshot]) -> None:
    monitor = WorkerMonitor(attempts=TaskAttempts(), mailbox=MailboxClient(mailbox), clock=Clock())
    monitor.attempts.add("a")
    trial = tune_trial(SimpleNamespace(_actor_id=b"\xf0\x0d"))

    def heard_after(count: int, *epochs_s: float) -> list[tuple[object, tuple[float, ...]]]:
        beats = {"a": Heartbeats(count=count, epochs_s=epochs_s)}
        snapshots.append(MailboxSnapshot(pid=5, heartbeats=beats, processes={"a": PROCESS}))
        monitor.poll(None, [trial])
        return monitor.heartbeats([trial])

    assert heard_after(1, 2.0) == [(trial, (2.0,))]
    assert heard_after(1) == []
    assert heard_after(3, 2.5, 3.5) == [(trial, (2.5, 3.5))]
    assert monitor.heartbeats([trial]) == [], "until it is polled again"

"""What a worker sends, without a cluster."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from hico_platform.enums import Decision
from hico_platform.errors import LostRankError, Problem
from hico_platform.search.messages import Activity, EpochReport, ReportFunction, TrialFailure, TrialOutcome
from hico_platform.search.ray_executor import worker
from hico_platform.search.ray_executor.worker import HEARTBEAT_EVERY_S, MESSAGE, TrialFailedError, WorkerReport
from hico_platform.search.ray_executor.worker_message import PAUSE, DiskFull, TaskPaused, WorkerMessage, WorkerProcess
from hico_platform.search.task import TrialTask, alive_of
from tests.small import small_config
from tests.toy import toy_outcome, toy_report
from tests.unit.search.ray_executor.remote import Remote

PROCESS = WorkerProcess(pid=7, host="here", machine="m", actor="f00d")


@pytest.fixture
def mailbox() -> SimpleNamespace:
    return SimpleNamespace(
        begin=Remote(),
        take_answer=Remote("continue"),
        heartbeat=Remote(),
        wait_for_stop=Remote(False),
        stopped=Remote(),
    )


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_heartbeats_are_sent_now_and_then(mailbox: SimpleNamespace) -> None:
    clock = Clock()
    alive = alive_of(WorkerReport(key="k", mailbox=mailbox, send=lambda report: None, clock=clock))
    for step in range(1, 21):
        clock.now_s = step * 1.0
        alive(epoch=step // 2 if step % 2 == 0 else None)
    times = 20 / HEARTBEAT_EVERY_S
    assert len(mailbox.heartbeat.calls) == times
    assert {call[0] for call in mailbox.heartbeat.calls} == {"k"}
    assert [second for call in mailbox.heartbeat.calls for second in call[1]] == [2.0] * 10
    assert [call[2:] for call in mailbox.heartbeat.calls] == [(None, 2), (None, 5), (None, 7), (None, 10)]


def test_what_a_trial_does_before_its_first_epoch_is_sent_at_once(mailbox: SimpleNamespace) -> None:
    alive = alive_of(WorkerReport(key="k", mailbox=mailbox, send=lambda report: None, clock=Clock()))
    for doing in (Activity.DATA, Activity.KERNELS, Activity.KERNELS, Activity.TRAINING):
        alive(doing=doing)
    alive(epoch=1, doing=Activity.TRAINING)
    alive(doing=Activity.EVALUATING)
    assert [call[2:] for call in mailbox.heartbeat.calls] == [
        ("opening the data", None),
        ("compiling and checking kernels", None),
        ("training", None),
    ]


def test_epochs_of_a_trial_that_only_reports(mailbox: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    clock = Clock()

    def send(report: EpochReport) -> None:
        clock.now_s += 100.0  # the driver is busy, which is no epoch's time

    report = WorkerReport(key="k", mailbox=mailbox, send=send, clock=clock)
    for epoch in (3, 9):
        clock.now_s += 12.0
        report(toy_report(epoch))
    assert report.drain_epochs_s() == (2.0,), "where a resumed trial began is not known before its first report"
    assert report.drain_epochs_s() == ()
    assert mailbox.take_answer.calls == [("k", 3), ("k", 9)]


def test_a_plain_function_to_report_by_will_do() -> None:
    alive_of(lambda report: Decision.CONTINUE)(epoch=3)


class TestRunOnWorker:
    """Tune's function trainable, with Ray and Tune replaced."""

    @pytest.fixture
    def reported(self, monkeypatch: pytest.MonkeyPatch, mailbox: SimpleNamespace) -> list[WorkerMessage]:
        """The messages that Tune is given before the last."""
        messages: list[WorkerMessage] = []
        context = SimpleNamespace(get_trial_id=lambda: "k")
        tune = SimpleNamespace(get_context=lambda: context, report=lambda result: messages.append(result[MESSAGE]))
        monkeypatch.setattr(worker, "tune", tune)
        monkeypatch.setattr(worker, "this_process", lambda: PROCESS)
        monkeypatch.setattr(
            worker,
            "stoppable",
            lambda mailbox, key: worker.nullcontext(SimpleNamespace(reporting=worker.nullcontext, paused=False)),
        )
        monkeypatch.setattr(worker.ray, "wait", lambda refs, timeout: (refs, []))
        monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
        return messages

    def run(self, function: object, mailbox: SimpleNamespace, folder: Path) -> WorkerMessage:
        task = TrialTask(number=0, config=small_config(), directory=folder, report_epochs=(1,), cpus=1, gpus=0)
        result = worker.run_on_worker({"task": task}, function=function, mailbox=mailbox)
        assert list(result) == [MESSAGE]
        return result[MESSAGE]

    def test_the_trials_own_objects_arrive(
        self, reported: Sequence[WorkerMessage], mailbox: SimpleNamespace, tmp_path: Path
    ) -> None:
        report, outcome = toy_report(1, 0.4), toy_outcome(1, 0.4)

        def function(task: TrialTask, deliver: WorkerReport) -> object:
            logging.getLogger("hico_platform.toy").warning("slow")
            assert deliver(report) is Decision.CONTINUE
            return outcome

        last = self.run(function, mailbox, tmp_path)
        assert mailbox.begin.calls == [("k", PROCESS)]
        [first] = reported
        assert first.content is report
        assert (first.process, first.warnings) == (PROCESS, ("slow",))
        assert last.content is outcome
        assert last.warnings == (), "each warning is sent once"

    def test_a_trial_that_raises_sends_its_failure_and_ends_the_process(
        self, reported: Sequence[WorkerMessage], mailbox: SimpleNamespace, tmp_path: Path
    ) -> None:
        def function(task: TrialTask, deliver: WorkerReport) -> object:
            raise ValueError("no")

        with pytest.raises(TrialFailedError, match="ValueError: no"):
            self.run(function, mailbox, tmp_path)
        [message] = reported
        assert isinstance(message.content, TrialFailure)
        assert message.content.reason == "ValueError: no"
        assert "Traceback" in str(message.content.traceback)

    def test_what_is_no_outcome_is_a_failure(
        self, reported: Sequence[WorkerMessage], mailbox: SimpleNamespace, tmp_path: Path
    ) -> None:
        """The driver cannot read it, and would wait for the trial for ever."""
        with pytest.raises(TrialFailedError, match="returned NoneType"):
            self.run(lambda task, deliver: None, mailbox, tmp_path)
        [message] = reported
        assert isinstance(message.content, TrialFailure)

    def test_a_full_disk_is_no_failure_of_the_trial(
        self, reported: Sequence[WorkerMessage], mailbox: SimpleNamespace, tmp_path: Path
    ) -> None:
        def function(task: TrialTask, deliver: WorkerReport) -> object:
            raise OSError(28, "No space left on device")

        message = self.run(function, mailbox, tmp_path)
        assert message.content == DiskFull(reason="[Errno 28] No space left on device")

    def test_an_error_of_the_cluster_is_left_to_tune(
        self, reported: Sequence[WorkerMessage], mailbox: SimpleNamespace, tmp_path: Path
    ) -> None:
        def function(task: TrialTask, deliver: WorkerReport) -> object:
            raise worker.ray.exceptions.RayActorError

        with pytest.raises(worker.ray.exceptions.RayActorError):
            self.run(function, mailbox, tmp_path)
        assert reported == []

    def test_so_is_the_loss_of_a_process_beside_it_after_which_the_task_is_handed_out_again(
        self, reported: Sequence[WorkerMessage], mailbox: SimpleNamespace, tmp_path: Path
    ) -> None:
        def function(task: TrialTask, deliver: WorkerReport) -> object:
            raise LostRankError(Problem(rule="two", value="one", remedy="run it again"))

        with pytest.raises(LostRankError):
            self.run(function, mailbox, tmp_path)
        assert reported == []


def test_a_paused_trial_says_so_and_ends_its_worker(
    monkeypatch: pytest.MonkeyPatch, mailbox: SimpleNamespace, tmp_path: Path
) -> None:
    sent: list[WorkerMessage] = []
    monkeypatch.setattr(worker, "this_process", lambda: PROCESS)
    monkeypatch.setattr(worker.ray, "wait", lambda refs, timeout: (refs, []))
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    context = SimpleNamespace(get_trial_id=lambda: "a")
    tune = SimpleNamespace(report=lambda result: sent.append(result[worker.MESSAGE]), get_context=lambda: context)
    monkeypatch.setattr(worker, "tune", tune)
    running = SimpleNamespace(reporting=worker.nullcontext, paused=False)
    monkeypatch.setattr(worker, "stoppable", lambda mailbox, key: worker.nullcontext(running))
    mailbox.take_answer = Remote(PAUSE)

    def trial(task: object, report: ReportFunction) -> TrialOutcome:
        report(toy_report(1))
        raise AssertionError("it goes on though it is paused")

    task = SimpleNamespace(number=0, directory=tmp_path)
    with pytest.raises(worker.TrialFailedError, match="paused"):
        worker.run_on_worker({"task": task}, function=trial, mailbox=mailbox)
    assert isinstance(sent[-1].content, TaskPaused)

    def cut_off(task: object, report: ReportFunction) -> TrialOutcome:
        raise worker.Stopped

    with pytest.raises(worker.Stopped):  # the whole search stops: nothing is said any more
        worker.run_on_worker({"task": task}, function=cut_off, mailbox=mailbox)
    assert len(sent) == 2

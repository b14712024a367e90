"""The worker's side: runs a trial function, sends its reports to the driver and returns the answers.

``tune.report`` returns once the driver has dealt with the result: the session of a function trainable hands a result
over and waits (``synchronous_result_reporting``) until the driver asks for the next one, which it does after the
scheduler has answered. For Tune the scheduler always answers CONTINUE; the real decision waits in the
:class:`~hico_platform.search.ray_executor.mailbox.Mailbox`. So a trial that is stopped early evaluates downstream with
the resources that it holds, and ends by itself.

A trial begins once the mailbox knows its process, so that a process which hangs from the start can be killed. Between
two reports the trial's own work sends heartbeats to the mailbox, and does not wait for them. A worker whose trial
failed is not used again: what broke it, such as a CUDA error, may break the next trial.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import ray
from ray import tune

from hico_platform.enums import Decision
from hico_platform.errors import LostRankError
from hico_platform.home_access import follow_folder
from hico_platform.search.disk_full import is_full
from hico_platform.search.messages import Activity, EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.ray_executor.held_gpus import held_gpus
from hico_platform.search.ray_executor.stop_workers import Stopped, stoppable
from hico_platform.search.ray_executor.worker_message import (
    PAUSE,
    DiskFull,
    TaskPaused,
    WorkerMessage,
    WorkerProcess,
)
from hico_platform.search.task import TrialFunction, TrialTask

MESSAGE = "message"
"""The one field of each result that Tune is given."""
HEARTBEAT_EVERY_S = 5.0
"""A worker sends heartbeats at most this often."""
BEGIN_TIMEOUT_S = 90.0
"""How long a trial waits until the mailbox knows its process; a mailbox that hangs is restarted sooner."""
_PACKAGE_LOGGER = logging.getLogger("hico_platform")


class WarningCollector(logging.Handler):
    """Collects this package's warnings while a trial runs, for the driver: users do not see a worker's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the warning for the next message to the driver."""
        self._messages.append(record.getMessage())

    def drain(self) -> tuple[str, ...]:
        """The warnings since the last call."""
        messages, self._messages = self._messages, []
        return tuple(messages)


class TrialFailedError(Exception):
    """The trial has failed or is paused, which its driver knows already.

    Raised so that Tune does not use the process again: its end gives back what it held.
    """


class WorkerReport:
    """The report function of a trial on a worker: sends a report and returns the answer.

    Args:
        key: the attempt, in the mailbox.
        mailbox: where answers come from and heartbeats go to.
        send: sends a report; returns once the driver has dealt with it.
        waiting: the context in which it waits for the answer.
        clock: seconds.
    """

    def __init__(
        self,
        *,
        key: str,
        mailbox: Any,
        send: Callable[[EpochReport], None],
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key, self._mailbox, self._send, self._clock = key, mailbox, send, clock
        self._waiting = waiting
        self._epoch: int | None = None
        self._doing: Activity | None = None
        self._epoch_began_s = self._heartbeat_s = clock()
        self._epochs_s: list[float] = []
        self.paused = False
        """Whether the driver answered that the trial is to wait."""

    def __call__(self, report: EpochReport) -> Decision:
        """Sends a report and waits for the answer."""
        if self._epoch is not None:  # else it is not known how many of these epochs were trained here
            self._note_epoch(report.epoch)
        with self._waiting():
            self._send(report)
            given = ray.get(self._mailbox.take_answer.remote(self._key, report.epoch))
        if given == PAUSE:
            self.paused = True
            raise Stopped
        answer = Decision(given)
        self._epoch, self._epoch_began_s = report.epoch, self._clock()
        return answer

    def alive(self, *, epoch: int | None = None, doing: Activity | None = None) -> None:
        """The trial makes progress: sends a heartbeat now and then, with the seconds of the epochs since the last.

        Until the first epoch has ended, what it does now is sent at once: these steps may take long.
        """
        if epoch is not None:
            self._note_epoch(epoch)
        began = self._epoch is None and doing is not None and doing is not self._doing
        self._doing = doing or self._doing
        if began or self._clock() - self._heartbeat_s >= HEARTBEAT_EVERY_S:
            self._heartbeat_s = self._clock()
            doing_now = None if self._doing is None else self._doing.value
            self._mailbox.heartbeat.remote(self._key, self.drain_epochs_s(), doing_now, self._epoch)

    def drain_epochs_s(self) -> tuple[float, ...]:
        """The seconds of epochs since the last call."""
        drained, self._epochs_s = tuple(self._epochs_s), []
        return drained

    def _note_epoch(self, epoch: int) -> None:
        """Notes the seconds of an epoch that ended: since the end of the previous one, or since the trial began."""
        trained = 1 if self._epoch is None else epoch - self._epoch
        if trained > 0:
            now_s = self._clock()
            self._epochs_s.append((now_s - self._epoch_began_s) / trained)
            self._epoch_began_s = now_s
        self._epoch = epoch


def run_on_worker(config: dict[str, Any], *, function: TrialFunction, mailbox: Any) -> dict[str, Any]:
    """Tune's function trainable: runs one task.

    Each result is a single object, so Tune keeps no statistics of the numbers in it.
    """
    task: TrialTask = config["task"]
    follow_folder(task.directory)  # a worker of another cluster has that cluster's umask
    key = tune.get_context().get_trial_id()
    process = this_process()
    ray.wait([mailbox.begin.remote(key, process)], timeout=BEGIN_TIMEOUT_S)
    warnings = WarningCollector()

    def result(content: EpochReport | TrialOutcome | TrialFailure | DiskFull | TaskPaused) -> dict[str, WorkerMessage]:
        message = WorkerMessage(
            content=content, process=process, warnings=warnings.drain(), epochs_s=report.drain_epochs_s()
        )
        return {MESSAGE: message}

    def send(content: EpochReport) -> None:
        tune.report(result(content))

    _PACKAGE_LOGGER.addHandler(warnings)
    try:
        content: TrialOutcome | TrialFailure | DiskFull | TaskPaused
        with stoppable(mailbox, key) as running:
            report = WorkerReport(key=key, mailbox=mailbox, send=send, waiting=running.reporting)
            try:
                content = _run(task, function, report)
            except Stopped:
                if not (running.paused or report.paused):
                    raise  # the whole search stops
                content = TaskPaused()
        if not isinstance(content, TrialFailure | TaskPaused):
            return result(content)
        tune.report(result(content))
    finally:
        _PACKAGE_LOGGER.removeHandler(warnings)
    raise TrialFailedError(content.reason if isinstance(content, TrialFailure) else "paused")


def this_process() -> WorkerProcess:
    """This worker, so that the driver can name it and kill it."""
    context = ray.get_runtime_context()
    return WorkerProcess(
        pid=os.getpid(),
        host=socket.gethostname(),
        machine=context.get_node_id(),
        actor=context.get_actor_id() or "",
        address=ray.util.get_node_ip_address(),
        gpus=held_gpus(context.get_accelerator_ids().get("GPU", ())),
    )


def _run(task: TrialTask, function: TrialFunction, report: WorkerReport) -> TrialOutcome | TrialFailure | DiskFull:
    try:
        outcome = function(task, report)
    except (ray.exceptions.RayError, LostRankError):
        raise  # of the cluster or of a process beside this one, not of the trial: the task is handed out again
    except Exception as error:
        if is_full(error):
            return DiskFull(reason=str(error))
        return TrialFailure(reason=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())
    if not isinstance(outcome, TrialOutcome):  # which the driver could not read, and would wait for ever
        return TrialFailure(reason=f"the trial's function returned {type(outcome).__name__}, no TrialOutcome")
    return outcome

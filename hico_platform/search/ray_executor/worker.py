"""The worker's side: runs a trial function, hands its reports to the driver and brings back the answers.

``tune.report`` returns after the driver has dealt with the result: a function trainable's session hands a
result over and waits (``synchronous_result_reporting``) until the driver asks for the next one, which it does
once the scheduler has answered. The scheduler always lets Tune go on; the decision itself waits in a
:class:`~hico_platform.search.ray_executor.mailbox.Mailbox`. So a trial that is stopped evaluates downstream inside
its own resources, and ends by itself.

A trial begins once the mailbox knows its process, so that one which hangs from its first moment on can be ended.
Between two reports its own work gives signs of life, which go to the mailbox too; nothing waits for those.
A worker whose trial failed is not used again: what broke it, a CUDA error for one, may break what comes after it.
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
from hico_platform.home_access import follow_folder
from hico_platform.search.disk_full import is_full
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.ray_executor.stop_workers import stoppable
from hico_platform.search.ray_executor.worker_message import DiskFull, WorkerMessage, WorkerProcess
from hico_platform.search.task import TrialFunction, TrialTask

_PACKAGE = logging.getLogger("hico_platform")
MESSAGE = "message"
"""The one field of each result that Tune is given."""
SIGN_EVERY_S = 5.0
"""At most so often a worker says that it is alive."""
BEGIN_S = 90.0
"""So long a trial waits until the mailbox knows its process; a mailbox that hangs is started anew before that."""


class _Heard(logging.Handler):
    """What this package warns of while a trial runs: who looks at the search does not see a worker's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps it for the next message to the driver."""
        self._messages.append(record.getMessage())

    def taken(self) -> tuple[str, ...]:
        """What has been logged since the last call."""
        messages, self._messages = self._messages, []
        return tuple(messages)


class TrialFailedError(Exception):
    """The trial has failed, which its driver knows already; this process is not used again."""


class WorkerReport:
    """What a trial is given to report by: called with a report it gives the answer.

    Args:
        key: of this time of handing out, in the mailbox.
        mailbox: where answers come from and signs of life go to.
        send: hands a report over; returns once the driver has dealt with it.
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
        self._epoch_began_s = self._signed_s = clock()
        self._epochs_s: list[float] = []

    def __call__(self, report: EpochReport) -> Decision:
        """Reports, and waits for the answer."""
        if self._epoch is not None:  # else it is not known how many of these epochs were trained here
            self._note_epoch(report.epoch)
        with self._waiting():
            self._send(report)
            answer = Decision(ray.get(self._mailbox.take.remote(self._key, report.epoch)))
        self._epoch, self._epoch_began_s = report.epoch, self._clock()
        return answer

    def alive(self, *, epoch: int | None = None) -> None:
        """The work makes progress; said now and then, with the seconds of the epochs since."""
        if epoch is not None:
            self._note_epoch(epoch)
        if self._clock() - self._signed_s >= SIGN_EVERY_S:
            self._signed_s = self._clock()
            self._mailbox.sign.remote(self._key, self.epochs_s())

    def epochs_s(self) -> tuple[float, ...]:
        """The seconds of epochs that have not been passed on yet; they are then."""
        taken, self._epochs_s = tuple(self._epochs_s), []
        return taken

    def _note_epoch(self, epoch: int) -> None:
        """An epoch ended: its seconds since the end of the one before, or since the trial began."""
        trained = 1 if self._epoch is None else epoch - self._epoch
        if trained > 0:
            now_s = self._clock()
            self._epochs_s.append((now_s - self._epoch_began_s) / trained)
            self._epoch_began_s = now_s
        self._epoch = epoch


def work(config: dict[str, Any], *, function: TrialFunction, mailbox: Any) -> dict[str, Any]:
    """Carries out one task as Tune wants it; each result is one object, of which Tune aggregates no statistics."""
    task: TrialTask = config["task"]
    follow_folder(task.directory)  # a worker of another cluster has that cluster's umask
    key = tune.get_context().get_trial_id()
    process = this_process()
    ray.wait([mailbox.begin.remote(key, process)], timeout=BEGIN_S)
    heard = _Heard()

    def result(content: EpochReport | TrialOutcome | TrialFailure | DiskFull) -> dict[str, WorkerMessage]:
        message = WorkerMessage(content=content, process=process, warnings=heard.taken(), epochs_s=report.epochs_s())
        return {MESSAGE: message}

    def send(content: EpochReport) -> None:
        tune.report(result(content))

    _PACKAGE.addHandler(heard)
    try:
        with stoppable(mailbox) as at_work:
            report = WorkerReport(key=key, mailbox=mailbox, send=send, waiting=at_work.reporting)
            content = _carried_out(task, function, report)
        if not isinstance(content, TrialFailure):
            return result(content)
        tune.report(result(content))
    finally:
        _PACKAGE.removeHandler(heard)
    raise TrialFailedError(content.reason)


def this_process() -> WorkerProcess:
    """Where this worker runs, for who has to name it or to end it."""
    context = ray.get_runtime_context()
    return WorkerProcess(
        pid=os.getpid(), host=socket.gethostname(), machine=context.get_node_id(), actor=context.get_actor_id() or ""
    )


def _carried_out(
    task: TrialTask, function: TrialFunction, report: WorkerReport
) -> TrialOutcome | TrialFailure | DiskFull:
    try:
        return function(task, report)
    except ray.exceptions.RayError:
        raise  # the cluster's trouble, not the trial's: Tune takes the trial up again
    except Exception as error:
        if is_full(error):
            return DiskFull(reason=str(error))
        return TrialFailure(reason=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())

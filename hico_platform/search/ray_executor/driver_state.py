"""The state that Tune's searcher and scheduler share, and what happens to a task whose worker is lost."""

from __future__ import annotations

import dataclasses
import errno
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, assert_never

from hico_platform.enums import Decision
from hico_platform.errors import HicoError, Problem
from hico_platform.search.execution_events import (
    DriverChecked,
    ExecutionObserver,
    LossCause,
    MachineExcluded,
    WorkerAssigned,
    WorkerLost,
    WorkerProgressed,
    WorkerReleased,
    nobody_watches,
)
from hico_platform.search.machine_health import ExcludedMachine, MachineHealth
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.ray_executor.lost_worker import LostWorker, lost_worker
from hico_platform.search.ray_executor.worker_message import PAUSE, DiskFull, TaskPaused, WorkerMessage, WorkerProcess
from hico_platform.search.task import TrialTask
from hico_platform.search.task_source import TaskSource
from hico_platform.search.worker_timeouts import OverdueWorker, TaskAttempts

_log = logging.getLogger(__name__)


class Workers(Protocol):
    """What is known of workers (:class:`~hico_platform.search.ray_executor.worker_monitor.WorkerMonitor`)."""

    attempts: TaskAttempts

    def set_process(self, key: str, process: WorkerProcess) -> None:
        """A process works on an attempt."""

    def forget(self, key: str) -> None:
        """An attempt has ended, or was given up."""

    def process(self, key: str, actor: Any = None) -> WorkerProcess | None:
        """The process of an attempt, if it is known."""

    def machine(self, key: str) -> str | None:
        """The machine of an attempt, if it is known."""


class DriverState:
    """What Tune's searcher and scheduler share. A ``key`` identifies one attempt at a task: it is Tune's trial id.

    Args:
        controller: where tasks come from and reports go.
        workers: what is known of them.
        answer: sends an answer to the worker that waits for it: key, epoch, decision.
        hosts: the machines that could hold a trial now: host names by Ray's ids.
        interrupted: set when the driver is asked to stop.
        retries: how often a task is handed out again whose worker died, hung or was occupied too long.
        observe: is called with what happens to workers.
    """

    def __init__(
        self,
        *,
        controller: TaskSource,
        workers: Workers,
        answer: Any,
        hosts: Any,
        interrupted: threading.Event,
        retries: int,
        observe: ExecutionObserver = nobody_watches,
    ) -> None:
        self.controller = controller
        self.workers = workers
        self.interrupted = interrupted
        self.no_task_left = False
        """Whether the controller has no further task, and none is running."""

        self.while_waiting: Callable[[], None] = lambda: None
        """What the driver goes on with while Tune waits for a task, because all that is left is paused."""

        self._answer = answer
        self._hosts = hosts
        self._retries = retries
        self._observe = observe
        self._assigned: dict[str, WorkerProcess] = {}
        self._health = MachineHealth()
        self._losses: Counter[int] = Counter()
        self._failed: set[str] = set()
        self._late_s = 0.0
        self._epochs: dict[int, int] = {}
        self._killed: dict[str, LostWorker] = {}
        self._warned: set[str] = set()
        self._names: dict[str, str] = {}

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Pickles nothing: Tune pickles its parts to restore them, for which this package has the ledger."""
        return type(None), ()

    @property
    def excluded_machines(self) -> Collection[str]:
        """The machines that get no further task, by Ray's ids."""
        return self._health.excluded

    def machines_avoided_by(self, task: TrialTask) -> frozenset[str]:
        """The machines on which a task is not to run."""
        return self._health.avoided_by(task.number)

    def receive(self, key: str, task: TrialTask, message: WorkerMessage) -> bool:
        """Handles a worker's message; returns whether Tune may use the worker for the next task.

        Raises:
            OSError: the worker's disk is full, which stops the search.
        """
        attempts = self.workers.attempts
        if key not in attempts or key in self._failed:
            return False
        self.workers.set_process(key, message.process)
        attempts.message_received(key, epochs_s=message.epochs_s)
        self.heard(key, task, message.process, epochs_s=message.epochs_s)
        self._pass_on(task, message.warnings)
        match message.content:
            case EpochReport() as report:
                self.controller.look(now=True)
                decision = self.controller.reported(
                    task.number, dataclasses.replace(report, machine=message.process.host)
                )
                held = decision is Decision.CONTINUE and self.controller.is_held(task.number)
                self._answer(key, report.epoch, PAUSE if held else str(decision))
                if report.epoch > self._epochs.get(task.number, 0):
                    self._epochs[task.number] = report.epoch
                    self._progressed(task, message.process, finished=False)
            case TaskPaused():
                self._failed.add(key)  # its worker ends, which gives back what it holds
                self._observe(WorkerReleased(number=task.number))
                self.controller.paused(task.number)
            case DiskFull() as full:
                raise OSError(errno.ENOSPC, full.reason)
            case TrialOutcome() as outcome:
                self._forget(key)
                self.controller.finished(task.number, outcome)
                self._progressed(task, message.process, finished=True)
                return True
            case TrialFailure() as failure:
                self._failed.add(key)  # its worker may still hang before it ends
                if self._retry_elsewhere(task, message.process.machine, reason=failure.reason):
                    self._observe(WorkerLost(number=task.number, cause=LossCause.ERROR, retried=True))
                    self.controller.lost(task.number, reason=failure.reason)
                else:
                    self.controller.failed(task.number, failure)
            case _:
                assert_never(message.content)
        return False

    def will_kill(self, key: str, overdue: OverdueWorker, process: WorkerProcess | None) -> None:
        """Notes why a worker is about to be killed, as the reason of the loss that follows."""
        if key in self._failed:
            return
        which = "its worker" if process is None else f"its worker on {process}"
        reason = f"it was {overdue.reason}, and {which} was killed"
        cause = LossCause.SILENT if overdue.silent else LossCause.OVERTIME
        self._killed[key] = LostWorker(reason=reason, counts=True, cause=cause, blames_machine=overdue.silent)

    def heard(self, key: str, task: TrialTask, process: WorkerProcess, *, epochs_s: tuple[float, ...] = ()) -> None:
        """Tells observers of a heartbeat or message, and before the first which worker has taken up the task."""
        if self._assigned.get(key) != process:
            self._assigned[key] = process
            self._observe(
                WorkerAssigned(
                    number=task.number,
                    host=process.host,
                    address=process.address,
                    pid=process.pid,
                    gpus=process.gpus,
                )
            )
        self._observe(WorkerProgressed(number=task.number, epochs_s=epochs_s))

    def checked(self) -> None:
        """Tells observers that the driver has gone through its loop."""
        self._observe(DriverChecked())

    def worker_lost(self, key: str, task: TrialTask, error: str, *, machine: str | None = None) -> None:
        """Hands out the task of a lost worker again, to resume from its last checkpoint, unless it was lost too often.

        Tune's own retry is not used: one lost worker may reach it as two errors (of the actor and of its call), and a
        trial that has not started yet then ends for good.
        """
        if key not in self.workers.attempts:
            return
        machine = self.workers.machine(key) or machine
        killed = self._killed.pop(key, None)
        self._forget(key)
        if key in self._failed:  # its failure is recorded already: a trial that fails ends its worker
            self._failed.remove(key)
            return
        lost = killed or lost_worker(error)
        if lost.blames_machine and self._retry_elsewhere(task, machine, reason=lost.reason):
            # A process that died by itself may have died because of its machine, which the retry will show.
            self._losses[task.number] += killed is not None
        else:
            self._losses[task.number] += lost.counts
        retried = self._losses[task.number] <= self._retries
        self._observe(WorkerLost(number=task.number, cause=lost.cause, retried=retried))
        if not retried:
            times = f" ({self._losses[task.number]} times)" if self._retries else ""
            self.controller.failed(task.number, TrialFailure(reason=f"{lost.reason}{times}", traceback=lost.traceback))
        else:
            if not self.controller.time_is_up:  # else the trial ends here
                _log.warning("trial %d is handed out again: %s", task.number, lost.reason)
            self.controller.lost(task.number, reason=lost.reason)

    def may_now_run_anywhere(self, task: TrialTask) -> bool:
        """Lets a waiting task run anywhere again if it avoids all machines that are left; returns whether it did."""
        avoided = self.machines_avoided_by(task)
        if not avoided or not set(self._hosts()) <= avoided:
            return False
        self._health.forget_failure(task.number)
        return True

    def waited_too_long(self, elapsed_s: float) -> bool:
        """Whether tasks have waited for a worker, after the time was up, for as long as a worker may be silent.

        Asked after every ``elapsed_s``.
        """
        if not self.controller.time_is_up:
            return False
        self._late_s += elapsed_s
        return self._late_s > self.workers.attempts.limit_s

    def withdraw(self, key: str, task: TrialTask) -> None:
        """Takes back a task that had no worker yet: it is handed out again, or ends where the time is up."""
        self._forget(key)
        self._observe(WorkerLost(number=task.number, cause=LossCause.NO_ROOM, retried=True))
        self.controller.lost(task.number, reason="no machine had room for it")

    def check_machines_left(self) -> None:
        """Checks that not every machine is excluded.

        Raises:
            HicoError: every machine is; the search can be resumed.
        """
        excluded = self._health.excluded
        if excluded and set(self._hosts()) <= set(excluded):
            raise HicoError(
                [
                    Problem(
                        field=self._names.get(one.machine, one.machine),
                        rule="a machine on which trials go on",
                        value=one.reason,
                        remedy="mend the machine or take it out of the cluster, and go on with --resume",
                    )
                    for one in excluded.values()
                ]
            )

    def check_finished(self) -> None:
        """Checks, after Tune has ended, that no task is left: else the search would be taken for finished.

        Raises:
            KeyboardInterrupt: the driver was asked to stop.
            HicoError: Tune ended too early for a reason of its own; the search can be resumed.
        """
        if self.no_task_left and not self.controller.tasks_running:
            return
        if self.interrupted.is_set():
            raise KeyboardInterrupt
        raise HicoError(
            Problem(
                rule="Ray Tune running until no task is left",
                value=f"ended with {self.controller.tasks_running} tasks running",
                remedy="go on with --resume",
            )
        )

    def _forget(self, key: str) -> None:
        self.workers.attempts.remove(key)
        self.workers.forget(key)
        self._assigned.pop(key, None)

    def _retry_elsewhere(self, task: TrialTask, machine: str | None, *, reason: str) -> bool:
        hosts: Mapping[str, str] = {} if machine is None else self._hosts()
        self._names.update(hosts)
        if not self._health.trial_failed(task.number, machine, reason=reason, usable=hosts):
            return False
        name = self._names.get(machine or "", machine)
        _log.warning("trial %d failed on %s and is retried on another machine: %s", task.number, name, reason)
        return True

    def _progressed(self, task: TrialTask, process: WorkerProcess, *, finished: bool) -> None:
        """Progress of a trial may exclude the machine on which it failed before."""
        self._names[process.machine] = process.host
        excluded = self._health.trial_progressed(task.number, process.machine, finished=finished)
        if excluded is not None:
            self._exclude(excluded)

    def _exclude(self, excluded: ExcludedMachine) -> None:
        host = self._names.get(excluded.machine, excluded.machine)
        numbers = ", ".join(str(number) for number in excluded.trials)
        _log.warning(
            "the machine %s is excluded: %d trials in a row (%s) failed there and went on elsewhere, the last by: %s",
            host, len(excluded.trials), numbers, excluded.reason,
        )  # fmt: skip
        self._observe(MachineExcluded(host=host))
        self.controller.machine_excluded(host=host, reason=excluded.reason, trials=excluded.trials)

    def _pass_on(self, task: TrialTask, warnings: Sequence[str]) -> None:
        """Logs a worker's warnings, each text once in all."""
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning("trial %d: %s", task.number, warning)

"""What the parts that Tune calls share: the course, the workers, and what becomes of a task whose worker is lost."""

from __future__ import annotations

import errno
import logging
import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from hico_platform.errors import HicoError, Problem
from hico_platform.search.machines import LeftOut, Machines
from hico_platform.search.messages import EpochReport, TrialFailure, TrialOutcome
from hico_platform.search.ray_executor.lost_worker import LostWorker, lost_worker
from hico_platform.search.ray_executor.worker_message import DiskFull, WorkerMessage, WorkerProcess
from hico_platform.search.silence import Attempts, Overdue
from hico_platform.search.task import TrialTask
from hico_platform.search.task_source import TaskSource

_log = logging.getLogger(__name__)


class Workers(Protocol):
    """What is known of workers (:class:`~hico_platform.search.ray_executor.watch.WorkerWatch`)."""

    attempts: Attempts

    def began(self, key: str, process: WorkerProcess) -> None:
        """A worker carries out a task."""

    def over(self, key: str) -> None:
        """A task is over, or is given up."""

    def process(self, key: str, actor: Any = None) -> WorkerProcess | None:
        """The process of a task, as far as it is known."""

    def machine(self, key: str) -> str | None:
        """The machine of a task, as far as it is known."""


class DriverState:
    """What the parts that Tune calls share. A ``key`` stands for one time of handing out a task: Tune's trial id.

    Args:
        controller: where tasks come from and reports go.
        workers: what is known of them.
        answer: hands an answer to the worker that waits for it: key, epoch, decision.
        hosts: the machines that could hold a trial now: their hosts' names by Ray's ids.
        interrupted: whether the driver was asked to end.
        retries: how often a task is handed out anew whose worker died, hung or held on too long.
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
    ) -> None:
        self.controller = controller
        self.workers = workers
        self.interrupted = interrupted
        self.is_over = False
        """Whether the course has no further task, and none is with a worker."""

        self._answer = answer
        self._hosts = hosts
        self._retries = retries
        self._machines = Machines()
        self._lost: Counter[int] = Counter()
        self._failed: set[str] = set()
        self._late_s = 0.0
        self._epochs: dict[int, int] = {}
        self._killed: dict[str, LostWorker] = {}
        self._warned: set[str] = set()
        self._names: dict[str, str] = {}

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Nothing: Tune pickles its parts for a restore that the ledger makes needless."""
        return type(None), ()

    @property
    def left_out(self) -> Collection[str]:
        """The machines that get no further task, by Ray's ids."""
        return self._machines.left_out

    def avoided(self, task: TrialTask) -> frozenset[str]:
        """The machines on which a task is not to be carried out."""
        return self._machines.avoided(task.number)

    def hear(self, key: str, task: TrialTask, message: WorkerMessage) -> bool:
        """Takes a worker's message; returns whether Tune may use the worker for the next task."""
        attempts = self.workers.attempts
        if key not in attempts or key in self._failed:
            return False
        process = message.process
        self.workers.began(key, process)
        attempts.heard(key, epochs_s=message.epochs_s)
        self._warn(task, message.warnings)
        match message.content:
            case EpochReport() as report:
                decision = self.controller.reported(task.number, report)
                self._answer(key, report.epoch, str(decision))
                if report.epoch > self._epochs.get(task.number, 0):
                    self._epochs[task.number] = report.epoch
                    self._went_on(task, process, finished=False)
            case DiskFull() as full:
                raise OSError(errno.ENOSPC, full.reason)
            case TrialOutcome() as outcome:
                self._over(key)
                self.controller.finished(task.number, outcome)
                self._went_on(task, process, finished=True)
                return True
            case TrialFailure() as failure:
                self._failed.add(key)  # until its worker has ended, it may still hang
                if self._elsewhere(task, process.machine, reason=failure.reason):
                    self.controller.lost(task.number, reason=failure.reason)
                else:
                    self.controller.failed(task.number, failure)
        return False

    def kill(self, key: str, overdue: Overdue, process: WorkerProcess | None) -> None:
        """A worker is about to be killed: its loss, which follows, has this reason."""
        if key in self._failed:
            return
        which = "its worker" if process is None else f"its worker on {process}"
        reason = f"it was {overdue.why}, and {which} was killed"
        self._killed[key] = LostWorker(reason=reason, counts=True, blames_machine=overdue.silent)

    def lose(self, key: str, task: TrialTask, error: str, *, machine: str | None = None) -> None:
        """A task's worker is gone: it is handed out anew, to go on from its last checkpoint, unless too often.

        Tune's own way of taking a trial up again is not taken: one lost worker may reach it as two errors (of the
        actor and of its call), and a trial that has not started yet then ends for good.
        """
        if key not in self.workers.attempts:
            return
        machine = self.workers.machine(key) or machine
        killed = self._killed.pop(key, None)
        self._over(key)
        if key in self._failed:  # it has been heard of: a trial that failed ends its worker
            self._failed.remove(key)
            return
        lost = killed or lost_worker(error)
        if lost.blames_machine and self._elsewhere(task, machine, reason=lost.reason):
            # A process that died by itself may have died of its machine, which the other one will show.
            self._lost[task.number] += killed is not None
        else:
            self._lost[task.number] += lost.counts
        if self._lost[task.number] > self._retries:
            times = f" ({self._lost[task.number]} times)" if self._retries else ""
            self.controller.failed(task.number, TrialFailure(reason=f"{lost.reason}{times}", traceback=lost.traceback))
        else:
            if not self.controller.time_is_up:  # else it ends here
                _log.warning("trial %d is handed out anew: %s", task.number, lost.reason)
            self.controller.lost(task.number, reason=lost.reason)

    def has_nowhere(self, task: TrialTask) -> bool:
        """Whether a task that waits for a worker avoids the only machines that are there; then it no longer does."""
        avoided = self.avoided(task)
        if not avoided or not set(self._hosts()) <= avoided:
            return False
        self._machines.forgive(task.number)
        return True

    def waits_in_vain(self, seconds: float) -> bool:
        """Whether the time has been up for as long as a worker may be silent; asked after every ``seconds``."""
        if not self.controller.time_is_up:
            return False
        self._late_s += seconds
        return self._late_s > self.workers.attempts.limit_s

    def give_back(self, key: str, task: TrialTask) -> None:
        """A task that had no worker yet is handed out anew, or over where the time is up."""
        self._over(key)
        self.controller.lost(task.number, reason="no machine had room for it")

    def must_have_machines(self) -> None:
        """Where every machine is left out, nothing can go on.

        Raises:
            HicoError: that; the search can be resumed.
        """
        left_out = self._machines.left_out
        if left_out and set(self._hosts()) <= set(left_out):
            raise HicoError(
                [
                    Problem(
                        field=self._names.get(found.machine, found.machine),
                        rule="a machine on which trials go on",
                        value=found.reason,
                        remedy="mend the machine or take it out of the cluster, and go on with --resume",
                    )
                    for found in left_out.values()
                ]
            )

    def must_be_over(self) -> None:
        """Tune has ended; where it did so before its time, nobody may take the search for finished.

        Raises:
            KeyboardInterrupt: the driver was asked to end.
            HicoError: Tune ended for a reason of its own; the search can be resumed.
        """
        if self.is_over and not self.controller.at_work:
            return
        if self.interrupted.is_set():
            raise KeyboardInterrupt
        raise HicoError(
            Problem(
                rule="Ray Tune at work until no task is left",
                value=f"ended with {self.controller.at_work} tasks at work",
                remedy="go on with --resume",
            )
        )

    def _over(self, key: str) -> None:
        self.workers.attempts.remove(key)
        self.workers.over(key)

    def _elsewhere(self, task: TrialTask, machine: str | None, *, reason: str) -> bool:
        hosts: Mapping[str, str] = {} if machine is None else self._hosts()
        self._names.update(hosts)
        if not self._machines.failed(task.number, machine, reason=reason, usable=hosts):
            return False
        name = self._names.get(machine or "", machine)
        _log.warning("trial %d is tried on another machine than %s: %s", task.number, name, reason)
        return True

    def _went_on(self, task: TrialTask, process: WorkerProcess, *, finished: bool) -> None:
        """A trial that goes on may tell against the machine that it was on before."""
        self._names[process.machine] = process.host
        found = self._machines.went_on(task.number, process.machine, finished=finished)
        if found is not None:
            self._leave_out(found)

    def _leave_out(self, found: LeftOut) -> None:
        host = self._names.get(found.machine, found.machine)
        numbers = ", ".join(str(number) for number in found.trials)
        _log.warning(
            "the machine %s is left out: %d trials in a row (%s) failed there and went on elsewhere, the last by: %s",
            host, len(found.trials), numbers, found.reason,
        )  # fmt: skip
        self.controller.left_out(host=host, reason=found.reason, trials=found.trials)

    def _warn(self, task: TrialTask, messages: Sequence[str]) -> None:
        """Passes on what a worker warned of, once for all of them."""
        for message in messages:
            if message not in self._warned:
                self._warned.add(message)
                _log.warning("trial %d: %s", task.number, message)

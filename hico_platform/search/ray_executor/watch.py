"""The driver's eye on its workers: reads their signs of life, and kills what hangs. It waits for nobody."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hico_platform.search.ray_executor.mailbox import Mailbox, MailboxLook
from hico_platform.search.ray_executor.worker_message import WorkerProcess
from hico_platform.search.silence import Attempts, Overdue

import ray  # isort: skip  (the cluster module sets what Ray reads at import)
from ray.tune.experiment import Trial  # isort: skip
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # isort: skip

_log = logging.getLogger(__name__)
LOOK_S = 2.0
MAILBOX_S = 60.0
"""After so long without an answer the mailbox, which does nothing but answer, hangs."""


class MailboxReader:
    """Asks the mailbox again and again, and never waits for it.

    A mailbox that died is started anew by Ray, one that hangs is killed first; the answers that were in it are
    put there again.
    """

    def __init__(self, mailbox: Any) -> None:
        self._mailbox = mailbox
        self._asked: Any = None
        self._waited_s = 0.0
        self._pid: int | None = None
        self._over: list[str] = []
        self._answers: dict[str, tuple[int, str]] = {}

    def answer(self, key: str, epoch: int, answer: str) -> None:
        """Answers a report."""
        self._answers[key] = epoch, answer
        self._mailbox.put.remote(key, epoch, answer)

    def forget(self, key: str) -> None:
        """A task is over."""
        self._answers.pop(key, None)
        self._over.append(key)

    def look(self, seconds: float) -> MailboxLook | None:
        """What came since the last time, if the mailbox has answered; ``seconds`` went by."""
        if self._asked is None:
            over, self._over = self._over, []
            self._asked, self._waited_s = self._mailbox.look.remote(over), 0.0
        if not ray.wait([self._asked], timeout=0)[0]:
            self._waited_s += seconds
            if self._waited_s > MAILBOX_S and self._pid is not None:
                _log.warning("the driver's mailbox hung for %.0f s and is started anew", self._waited_s)
                self._waited_s = 0.0
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)  # it is on the driver's own machine
            return None
        asked, self._asked = self._asked, None
        try:
            look: MailboxLook = ray.get(asked)
        except ray.exceptions.RayError:  # it died, and is started anew
            return None
        if self._pid not in (None, look.pid):
            for key, (epoch, answer) in self._answers.items():
                self._mailbox.put.remote(key, epoch, answer)
        self._pid = look.pid
        return look


class WorkerWatch:
    """Which process carries out which task, and since when nothing was heard of it.

    Args:
        attempts: how long they may be silent, and hold a worker.
        reader: of the mailbox.
        clock: seconds.
    """

    def __init__(
        self, *, attempts: Attempts, reader: MailboxReader, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.attempts = attempts
        self._reader = reader
        self._clock = clock
        self._looked_s = clock()
        self._processes: dict[str, WorkerProcess] = {}
        self._by_actor: dict[str, WorkerProcess] = {}
        self._machines: dict[str, str] = {}

    def began(self, key: str, process: WorkerProcess) -> None:
        """A worker carries out a task."""
        self._processes[key] = self._by_actor[process.actor] = process

    def over(self, key: str) -> None:
        """A task is over, or is given up."""
        self._processes.pop(key, None)
        self._machines.pop(key, None)
        self._reader.forget(key)

    def process(self, key: str, actor: Any = None) -> WorkerProcess | None:
        """The process of a task, as far as it is known."""
        known = self._processes.get(key)
        return known or (None if actor is None else self._by_actor.get(actor._actor_id.hex()))

    def machine(self, key: str) -> str | None:
        """Ray's id of the machine of a task, as far as it is known: before its worker said anything too."""
        process = self._processes.get(key)
        return self._machines.get(key) if process is None else process.machine

    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() - self._looked_s >= LOOK_S

    def look(self, tune_controller: Any, trials: Iterable[Trial]) -> list[tuple[Overdue, Any]]:
        """Whose workers are to be killed, with the handles of their actors."""
        now_s = self._clock()
        seconds, self._looked_s = min(now_s - self._looked_s, 2 * LOOK_S), now_s
        look = self._reader.look(seconds)
        if look is None:  # then nobody's silence is known
            return []
        for key, process in look.processes.items():
            if key in self.attempts:
                self.began(key, process)
        actors = {trial.trial_id: actor for trial in trials if (actor := actor_of(tune_controller, trial)) is not None}
        for trial in trials:
            self._learn_machine(tune_controller, trial)
        workers = {key: self.process(key, actor) is not None for key, actor in actors.items()}
        overdue = self.attempts.look(seconds, signs=look.signs, workers=workers)
        return [(found, actors[found.key]) for found in overdue]

    def _learn_machine(self, tune_controller: Any, trial: Trial) -> None:
        """Where a worker is being started: should it die before it says anything, its machine is known."""
        key = trial.trial_id
        if key in self._processes or key in self._machines:
            return
        machine = machine_of(tune_controller, trial)
        if machine is not None:
            self._machines[key] = machine


def start_mailbox() -> Any:
    """An actor that lives with the driver's machine, not with one that only works, and is started anew if it dies."""
    here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=False)
    return (
        ray.remote(Mailbox)
        .options(num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=10_000, scheduling_strategy=here)
        .remote()
    )


def kill(actor: Any, process: WorkerProcess | None) -> None:
    """Ends a worker, whatever its process does.

    Ray takes the actor for dead at once, and the raylet of its machine kills a process that does not answer (one that
    is stopped, say) 5 s later. On the driver's own machine it is killed here, since the cluster may end before that.
    """
    with contextlib.suppress(ray.exceptions.RayError):
        ray.kill(actor, no_restart=True)
    if process is not None and process.machine == ray.get_runtime_context().get_node_id():
        with contextlib.suppress(OSError):
            os.kill(process.pid, signal.SIGKILL)


def actor_of(tune_controller: Any, trial: Trial) -> Any:
    """The actor that Tune has started for a trial, also where it is not up yet."""
    if trial.temporary_state.ray_actor is not None:
        return trial.temporary_state.ray_actor
    live = _live(tune_controller, trial)
    return None if live is None else live[0]


def machine_of(tune_controller: Any, trial: Trial) -> str | None:
    """Ray's id of the machine that the actor of a trial was sent to."""
    live = _live(tune_controller, trial)
    if live is None:
        return None
    table: Mapping[str, Any] = ray.util.placement_group_table(live[1].placement_group)
    machine: str | None = table.get("bundles_to_node_id", {}).get(0)
    return machine


def _live(tune_controller: Any, trial: Trial) -> tuple[Any, Any] | None:
    """Tune's actor and resources of a trial; it tells them nowhere else."""
    tracked = tune_controller._trial_to_actor.get(trial)
    live: tuple[Any, Any] | None = tune_controller._actor_manager._live_actors_to_ray_actors_resources.get(tracked)
    return live

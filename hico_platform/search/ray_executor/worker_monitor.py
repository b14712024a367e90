"""The driver's view of its workers: polls their heartbeats without ever waiting, and kills workers that hang."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hico_platform.search.messages import Activity
from hico_platform.search.ray_executor.mailbox import Mailbox, MailboxSnapshot
from hico_platform.search.ray_executor.worker_message import WorkerProcess
from hico_platform.search.task import TrialActivity
from hico_platform.search.worker_timeouts import OverdueWorker, TaskAttempts

import ray  # isort: skip  (the cluster module sets what Ray reads at import)
from ray.tune.experiment import Trial  # isort: skip
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # isort: skip

_log = logging.getLogger(__name__)
POLL_S = 2.0
MAILBOX_TIMEOUT_S = 60.0
"""The mailbox does nothing but answer; without an answer for so long it hangs."""


class MailboxClient:
    """The driver's side of the mailbox: it polls and never waits.

    Ray restarts a mailbox that died; one that hangs is killed, and so restarted too. Answers that were in it are put
    there again.
    """

    def __init__(self, mailbox: Any) -> None:
        self._mailbox = mailbox
        self._request: Any = None
        self._waited_s = 0.0
        self._pid: int | None = None
        self._finished: list[str] = []
        self._answers: dict[str, tuple[int, str]] = {}

    def answer(self, key: str, epoch: int, answer: str) -> None:
        """Answers a report."""
        self._answers[key] = epoch, answer
        self._mailbox.put_answer.remote(key, epoch, answer)

    def forget(self, key: str) -> None:
        """An attempt has ended."""
        self._answers.pop(key, None)
        self._finished.append(key)

    def poll(self, elapsed_s: float) -> MailboxSnapshot | None:
        """The next snapshot if the mailbox has answered; ``elapsed_s`` is the time since the last poll."""
        if self._request is None:
            finished, self._finished = self._finished, []
            self._request, self._waited_s = self._mailbox.snapshot.remote(finished), 0.0
        if not ray.wait([self._request], timeout=0)[0]:
            self._waited_s += elapsed_s
            if self._waited_s > MAILBOX_TIMEOUT_S and self._pid is not None:
                _log.warning("the driver's mailbox did not answer for %.0f s and is restarted", self._waited_s)
                self._waited_s = 0.0
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)  # it is on the driver's own machine
            return None
        request, self._request = self._request, None
        try:
            snapshot: MailboxSnapshot = ray.get(request)
        except ray.exceptions.RayError:  # it died, and is restarted
            return None
        if self._pid not in (None, snapshot.pid):
            for key, (epoch, answer) in self._answers.items():
                self._mailbox.put_answer.remote(key, epoch, answer)
        self._pid = snapshot.pid
        return snapshot


class WorkerMonitor:
    """Which process works on which attempt, and how long ago it sent its last heartbeat.

    Args:
        attempts: the attempts under way, with their timeouts.
        mailbox: where heartbeats arrive.
        on_activity: is told what trials do between their reports, whenever that has changed.
        clock: seconds.
    """

    def __init__(
        self,
        *,
        attempts: TaskAttempts,
        mailbox: MailboxClient,
        on_activity: Callable[[TrialActivity], None] = lambda activity: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.attempts = attempts
        self._mailbox = mailbox
        self._on_activity = on_activity
        self._activities: dict[str, TrialActivity] = {}
        self._clock = clock
        self._polled_s = clock()
        self._processes: dict[str, WorkerProcess] = {}
        self._by_actor: dict[str, WorkerProcess] = {}
        self._machines: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._snapshot: MailboxSnapshot | None = None

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Pickles nothing, as the driver's state does: who is told of activities may hold a terminal."""
        return type(None), ()

    def set_process(self, key: str, process: WorkerProcess) -> None:
        """A process works on an attempt."""
        self._processes[key] = self._by_actor[process.actor] = process

    def forget(self, key: str) -> None:
        """An attempt has ended, or was given up."""
        self._processes.pop(key, None)
        self._machines.pop(key, None)
        self._counts.pop(key, None)
        self._activities.pop(key, None)
        self._mailbox.forget(key)

    def process(self, key: str, actor: Any = None) -> WorkerProcess | None:
        """The process of an attempt, if it is known."""
        known = self._processes.get(key)
        return known or (None if actor is None else self._by_actor.get(actor._actor_id.hex()))

    def machine(self, key: str) -> str | None:
        """Ray's id of the machine of an attempt if it is known, which may be before its worker sends anything."""
        process = self._processes.get(key)
        return self._machines.get(key) if process is None else process.machine

    def is_due(self) -> bool:
        """Whether it is time to poll again."""
        return self._clock() - self._polled_s >= POLL_S

    def poll(self, tune_controller: Any, trials: Iterable[Trial]) -> list[tuple[OverdueWorker, Any]]:
        """The workers that are to be killed, with the handles of their actors."""
        now_s = self._clock()
        elapsed_s, self._polled_s = min(now_s - self._polled_s, 2 * POLL_S), now_s
        self._snapshot = snapshot = self._mailbox.poll(elapsed_s)
        if snapshot is None:  # then it is not known who is silent
            return []
        for key, process in snapshot.processes.items():
            if key in self.attempts:
                self.set_process(key, process)
        actors = {trial.trial_id: actor for trial in trials if (actor := actor_of(tune_controller, trial)) is not None}
        for trial in trials:
            self._note_machine(tune_controller, trial)
            self._note_activity(trial, snapshot)
        workers = {key: self.process(key, actor) is not None for key, actor in actors.items()}
        overdue = self.attempts.check(elapsed_s, heartbeats=snapshot.heartbeats, workers=workers)
        return [(worker, actors[worker.key]) for worker in overdue]

    def heartbeats(self, trials: Iterable[Trial]) -> list[tuple[Trial, tuple[float, ...]]]:
        """The trials whose workers had sent heartbeats by the last poll, with seconds of the epochs that ended."""
        if self._snapshot is None:
            return []
        heard = []
        for trial in trials:
            received = self._snapshot.heartbeats.get(trial.trial_id)
            if received is not None and received.count != self._counts.get(trial.trial_id):
                self._counts[trial.trial_id] = received.count
                heard.append((trial, received.epochs_s))
        self._snapshot = None
        return heard

    def _note_activity(self, trial: Trial, snapshot: MailboxSnapshot) -> None:
        """Passes on what a trial does, if that is news."""
        key = trial.trial_id
        if key not in snapshot.activities or key not in self.attempts:
            return
        doing, epoch = snapshot.activities[key]
        activity = TrialActivity(
            number=trial.config["task"].number, doing=None if doing is None else Activity(doing), epoch=epoch
        )
        if self._activities.get(key) != activity:
            self._activities[key] = activity
            self._on_activity(activity)

    def _note_machine(self, tune_controller: Any, trial: Trial) -> None:
        """Notes where a worker is being started, in case it dies before it sends anything."""
        key = trial.trial_id
        if key in self._processes or key in self._machines:
            return
        machine = machine_of(tune_controller, trial)
        if machine is not None:
            self._machines[key] = machine


def start_mailbox() -> Any:
    """Starts the mailbox on the driver's own machine, which lives as long as the search; Ray restarts it if it dies."""
    here = NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=False)
    return (
        ray.remote(Mailbox)
        .options(num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=10_000, scheduling_strategy=here)
        .remote()
    )


def kill_worker(actor: Any, process: WorkerProcess | None) -> None:
    """Kills a worker, whatever its process does.

    Ray takes the actor for dead at once, and the raylet of its machine kills a process that does not answer (a stopped
    one, for example) 5 s later. On the driver's own machine it is killed here, since the cluster may end before that.
    """
    with contextlib.suppress(ray.exceptions.RayError):
        ray.kill(actor, no_restart=True)
    if process is not None and process.machine == ray.get_runtime_context().get_node_id():
        with contextlib.suppress(OSError):
            os.kill(process.pid, signal.SIGKILL)


def actor_of(tune_controller: Any, trial: Trial) -> Any:
    """The actor that Tune has started for a trial, ready or not."""
    if trial.temporary_state.ray_actor is not None:
        return trial.temporary_state.ray_actor
    live = _live_actor(tune_controller, trial)
    return None if live is None else live[0]


def machine_of(tune_controller: Any, trial: Trial) -> str | None:
    """Ray's id of the machine on which the actor of a trial is started."""
    live = _live_actor(tune_controller, trial)
    if live is None:
        return None
    table: Mapping[str, Any] = ray.util.placement_group_table(live[1].placement_group)
    machine: str | None = table.get("bundles_to_node_id", {}).get(0)
    return machine


def _live_actor(tune_controller: Any, trial: Trial) -> tuple[Any, Any] | None:
    """Tune's actor of a trial and the resources that it holds, for which Tune has no public function."""
    tracked = tune_controller._trial_to_actor.get(trial)
    live: tuple[Any, Any] | None = tune_controller._actor_manager._live_actors_to_ray_actors_resources.get(tracked)
    return live

"""The driver's side: Tune's interfaces over a :class:`~hico_platform.search.course.Course`."""

from __future__ import annotations

import errno
import json
import logging
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hico_platform.errors import HicoError, Problem
from hico_platform.search.course import Course
from hico_platform.search.gpu_packing import GpuPacking
from hico_platform.search.ray_executor.cluster import lost_process, ray_cluster
from hico_platform.search.ray_executor.gpu_probe import measured_share
from hico_platform.search.ray_executor.lost_worker import last_error, lost_worker
from hico_platform.search.ray_executor.worker import FINISHED, NO_ROOM, REPORTED, Mailbox, work
from hico_platform.search.task import TrialFunction, TrialTask

import ray  # isort: skip  (the cluster module sets what Ray reads at import)
from ray import tune  # isort: skip
from ray.tune.experiment import Trial  # isort: skip
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # isort: skip
from ray.tune.search import Searcher  # isort: skip
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # isort: skip

_log = logging.getLogger(__name__)


def execute_on_ray(
    steering: Course,
    function: TrialFunction,
    *,
    cpus_per_trial: float,
    gpus_per_trial: float | GpuPacking,
    max_concurrent: int | None = None,
    retries: int = 3,
    address: str | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    cluster_cpus: int | None = None,
    cluster_gpus: int | None = None,
) -> None:
    """Carries out every task of ``steering`` on a Ray cluster.

    Args:
        steering: where tasks come from and reports go.
        function: carries out one task; it must pickle.
        cpus_per_trial: CPUs that a trial holds.
        gpus_per_trial: GPUs that a trial holds, or how they are measured before the first task is asked for.
        max_concurrent: most trials at once; by default all that the cluster holds, which may change.
        retries: how often a trial is taken up again whose worker died; a machine that was preempted or went
            away does not count.
        address: an existing cluster; by default one of its own is started.
        runtime_env: what workers need of code, packages and variables, as Ray takes it.
        cluster_cpus: CPUs of its own cluster, by default the machine's.
        cluster_gpus: GPUs of its own cluster, by default the machine's.

    Raises:
        UsageError: the cluster at ``address`` cannot be joined.
        HicoError: the cluster of its own died; all can be taken up again.
        OSError: the disk is full; as after an interruption, all can be taken up again.
        KeyboardInterrupt: it was interrupted (SIGINT or SIGTERM) and everything was put down in order; what
            was at work continues from its checkpoints when the search is resumed.
    """
    with (
        _interruptions() as interrupted,
        ray_cluster(address=address, cpus=cluster_cpus, gpus=cluster_gpus, runtime_env=runtime_env) as scratch,
    ):
        if isinstance(gpus_per_trial, GpuPacking):
            gpus_per_trial = measured_share(gpus_per_trial, cpus=cpus_per_trial, interrupted=interrupted)
        mailbox = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=_beside_the_driver()).remote()
        bridge = _Bridge(steering=steering, mailbox=mailbox, interrupted=interrupted, retries=retries)
        trainable = tune.with_resources(
            tune.with_parameters(work, function=function, mailbox=mailbox),
            tune.PlacementGroupFactory([{"CPU": cpus_per_trial, "GPU": gpus_per_trial}]),
        )
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=_Asking(
                    bridge,
                    cpus=cpus_per_trial,
                    gpus=gpus_per_trial,
                    max_concurrent=max_concurrent,
                ),
                scheduler=_Answering(bridge),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=str(scratch),
                failure_config=tune.FailureConfig(max_failures=0),  # what is lost is handed out anew, by _Bridge
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except _Interrupted:
            raise KeyboardInterrupt from None
        except _ClusterLost as error:
            raise HicoError(
                Problem(
                    rule="a Ray cluster that lives as long as the search",
                    value=f"{error} died",
                    remedy="go on with --resume; if it happens again, look for what kills it (memory?)",
                )
            ) from None


class _Interrupted(Exception):  # noqa: N818  (Tune puts its workers down on an Exception only)
    """The driver was asked to end."""


class _ClusterLost(BaseException):
    """A process of the own cluster died. No Exception: Tune would wait for workers that nobody can reach."""


class _Bridge:
    """What the parts that Tune calls share."""

    def __init__(self, *, steering: Course, mailbox: Any, interrupted: threading.Event, retries: int) -> None:
        self.steering = steering
        self.mailbox = mailbox
        self.interrupted = interrupted
        self._retries = retries
        self._lost: Counter[int] = Counter()
        self._warned: set[str] = set()

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Nothing: Tune pickles its parts for a restore that the ledger makes needless."""
        return type(None), ()

    def hear(self, task: TrialTask, kind: str, content: dict[str, Any]) -> bool:
        """Takes what a worker said; returns whether the trial is over."""
        if kind == REPORTED:
            answer = self.steering.reported(task.number, **content)
            self.mailbox.put.remote(task.number, content["epoch"], str(answer))
            return False
        if kind == NO_ROOM:
            raise OSError(errno.ENOSPC, content["reason"])
        if kind == FINISHED:
            self.steering.finished(task.number, **content)
        else:
            self.steering.failed(task.number, **content)
        return True

    def warn(self, task: TrialTask, messages: list[str]) -> None:
        """Passes on what a worker warned of, once for all of them."""
        for message in messages:
            if message not in self._warned:
                self._warned.add(message)
                _log.warning("trial %d: %s", task.number, message)

    def lose(self, task: TrialTask, error: str) -> None:
        """A task's worker is gone: it is handed out anew, to go on from its last checkpoint, unless too often.

        Tune's own way of taking a trial up again is not taken: one lost worker may reach it as two errors (of the
        actor and of its call), and a trial that has not started yet then ends for good.
        """
        lost = lost_worker(error)
        self._lost[task.number] += lost.counts
        if self._lost[task.number] > self._retries:
            times = f" ({self._lost[task.number]} times)" if self._retries else ""
            self.steering.failed(task.number, reason=f"{lost.reason}{times}", traceback=lost.traceback)
        else:
            _log.warning("trial %d goes on from its last checkpoint: %s", task.number, lost.reason)
            self.steering.lost(task.number)


class _Asking(Searcher):  # type: ignore[misc]
    """Tune's searcher: asks the steering for tasks while there is room."""

    def __init__(self, bridge: _Bridge, *, cpus: float, gpus: float, max_concurrent: int | None) -> None:
        super().__init__(metric=None, mode=None)
        self._bridge = bridge
        self._cpus, self._gpus, self._max_concurrent = cpus, gpus, max_concurrent

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next task; nothing while the cluster is full, or while one may still be lost; the end after that."""
        if self._bridge.steering.at_work >= self._room():
            return None
        task = self._bridge.steering.next_task()
        if task is not None:
            return {"task": task}
        return None if self._bridge.steering.at_work else str(Searcher.FINISHED)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: the scheduler has heard it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger remembers."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def _room(self) -> int:
        if self._max_concurrent is not None:
            return self._max_concurrent
        held = ray.cluster_resources()  # a cluster may grow and shrink
        rooms = [held.get("CPU", 0.0) / self._cpus]
        if self._gpus > 0:
            rooms.append(held.get("GPU", 0.0) / self._gpus)
        return max(1, int(min(rooms)))


class _Answering(FIFOScheduler):  # type: ignore[misc]
    """Tune's scheduler: hands what workers say to the steering. A stopped trial learns it from the mailbox."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The next in line; Tune comes by here in each round, so an interruption is noticed here."""
        if self._bridge.interrupted.is_set():
            raise _Interrupted
        lost = lost_process()
        if lost is not None:
            raise _ClusterLost(lost)
        return super().choose_trial_to_run(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Into the ledger first, then the answer."""
        task = trial.config["task"]
        self._bridge.warn(task, json.loads(result["warnings"]))
        over = self._bridge.hear(task, result["kind"], json.loads(result["content"]))
        return str(TrialScheduler.STOP if over else TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """A worker was lost; for Tune its trial has ended, and the next that it asks for may be the same task."""
        self._bridge.lose(trial.config["task"], last_error(trial))

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Drops Tune's statistics of every number of every result, which it keeps as long as it runs."""
        trial.run_metadata.metric_analysis.clear()
        trial.run_metadata.metric_n_steps.clear()


def _beside_the_driver() -> NodeAffinitySchedulingStrategy:
    """Lives and dies with the driver's host, not with one that only works."""
    return NodeAffinitySchedulingStrategy(node_id=ray.get_runtime_context().get_node_id(), soft=False)


def _trial_name(trial: Trial) -> str:
    return f"trial-{trial.config['task'].number:04d}"


@contextmanager
def _interruptions() -> Iterator[threading.Event]:
    """Turns the first SIGINT or SIGTERM into an event; the second SIGINT acts as ever."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""The driver's side: Tune's interfaces over a :class:`~hico_platform.search.task_source.TaskSource`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hico_platform.errors import HicoError, Problem
from hico_platform.interruptions import heed_again, interruptions_noted
from hico_platform.search.gpu_packing import GpuPacking
from hico_platform.search.ray_executor.cluster import lost_process, ray_cluster
from hico_platform.search.ray_executor.cluster_nodes import ClusterNodes, nodes_alive
from hico_platform.search.ray_executor.driver_state import DriverState
from hico_platform.search.ray_executor.gpu_probe import measured_share
from hico_platform.search.ray_executor.lost_worker import last_error
from hico_platform.search.ray_executor.stop_workers import SAVE_S, stop_workers
from hico_platform.search.ray_executor.watch import (
    LOOK_S,
    MailboxReader,
    WorkerWatch,
    actor_of,
    kill,
    machine_of,
    start_mailbox,
)
from hico_platform.search.ray_executor.worker import MESSAGE, work
from hico_platform.search.resources import OF_A_SEARCH, ResourceOptions, TrialResources, check_fits
from hico_platform.search.silence import Attempts
from hico_platform.search.task import TrialFunction
from hico_platform.search.task_source import TaskSource

import ray  # isort: skip  (the cluster module sets what Ray reads at import)
from ray import tune  # isort: skip
from ray.tune.execution import class_cache  # isort: skip
from ray.tune.experiment import Trial  # isort: skip
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # isort: skip
from ray.tune.search import Searcher  # isort: skip

# Tune waits so long for a worker that it no longer needs, and that does not answer, before it kills it.
os.environ.setdefault("TUNE_FORCE_TRIAL_CLEANUP_S", "60")


def execute_on_ray(
    controller: TaskSource,
    function: TrialFunction,
    *,
    cpus_per_trial: float,
    gpus_per_trial: float | GpuPacking,
    max_concurrent: int | None = None,
    retries: int = 3,
    silence_minutes: float | None = None,
    trial_hours: float | None = None,
    address: str | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    cluster_cpus: int | None = None,
    cluster_gpus: int | None = None,
    options: ResourceOptions = OF_A_SEARCH,
) -> None:
    """Carries out every task of ``controller`` on a Ray cluster.

    Args:
        controller: where tasks come from and reports go.
        function: carries out one task; it must pickle.
        cpus_per_trial: CPUs that a trial holds.
        gpus_per_trial: GPUs that a trial holds, or how they are measured before the first task is asked for.
        max_concurrent: most trials at once; by default all that the cluster holds, which may change.
        retries: how often a trial is taken up again whose worker died, hung or held on too long; a machine that
            was preempted or went away does not count.
        silence_minutes: how long a worker may give no sign of life before it is killed; by default it follows from
            the epochs so far.
        trial_hours: the longest that a trial may hold a worker in one go.
        address: an existing cluster; by default one of its own is started.
        runtime_env: what workers need of code, packages and variables, as Ray takes it.
        cluster_cpus: CPUs of its own cluster, by default the machine's.
        cluster_gpus: GPUs of its own cluster, by default the machine's.
        options: what a user calls what a trial holds, for messages.

    Raises:
        UsageError: the cluster at ``address`` cannot be joined, or a trial does not fit into a cluster of its own.
        HicoError: the cluster of its own died, or every machine fails its trials; all can be taken up again.
        OSError: the disk is full; as after an interruption, all can be taken up again.
        KeyboardInterrupt: it was interrupted; trials at work have saved their last whole epoch, and go on from
            there when the search is resumed.
    """
    with (
        ray_cluster(address=address, cpus=cluster_cpus, gpus=cluster_gpus, runtime_env=runtime_env) as scratch,
        interruptions_noted() as interrupted,
    ):
        if address is None:
            held = ray.cluster_resources()
            wanted = 0.0 if isinstance(gpus_per_trial, GpuPacking) else gpus_per_trial
            trial = TrialResources(cpus=cpus_per_trial, gpus=wanted, options=options)
            check_fits(trial, cpus=held.get("CPU", 0.0), gpus=held.get("GPU", 0.0))
        if isinstance(gpus_per_trial, GpuPacking):
            gpus_per_trial = measured_share(gpus_per_trial, cpus=cpus_per_trial, interrupted=interrupted)
        bundle = {"CPU": cpus_per_trial, "GPU": gpus_per_trial}
        mailbox = start_mailbox()
        reader = MailboxReader(mailbox)
        watch = WorkerWatch(attempts=Attempts(silence_minutes=silence_minutes, trial_hours=trial_hours), reader=reader)
        state = DriverState(
            controller=controller,
            workers=watch,
            answer=reader.answer,
            hosts=lambda: _hosts(bundle),
            interrupted=interrupted,
            retries=retries,
        )
        nodes = ClusterNodes(
            TrialResources(cpus=cpus_per_trial, gpus=gpus_per_trial, options=options),
            may_grow=address is not None,
            nodes=lambda: nodes_alive(state.left_out),
        )
        trainable = tune.with_resources(
            tune.with_parameters(work, function=function, mailbox=mailbox),
            tune.PlacementGroupFactory([bundle]),
        )
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=TaskSearcher(state, nodes=nodes, max_concurrent=max_concurrent),
                scheduler=ReportScheduler(state, watch, bundle, save=lambda: stop_workers(mailbox, within_s=SAVE_S)),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=str(scratch),
                failure_config=tune.FailureConfig(max_failures=0),  # what is lost is handed out anew, by DriverState
                verbose=0,
            ),
        )
        with _ends_of_a_search():
            tuner.fit()
            state.must_be_over()


# Tune would hand the driver's keys to workers in a runtime environment, which Ray writes to its log and to the command
# line of each worker. Workers of a cluster of its own inherit the environment; machines of others have their own keys.
class_cache.ENV_VARS_TO_PROPAGATE.difference_update(
    [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]
)


class _Interrupted(BaseException):
    """The driver was asked to end, and workers have saved. No Exception: Tune would wait for them once more."""


class _ClusterLost(BaseException):
    """A cluster of its own lost what it lives on. No Exception: Tune would wait for workers that nobody can reach."""


@contextlib.contextmanager
def _ends_of_a_search() -> Iterator[None]:
    """Whatever Tune ends with, a search was interrupted, or lost its cluster, or met an error of its own.

    Tune may stumble over what is lost before it is looked for.
    """
    try:
        yield
    except _Interrupted:
        raise KeyboardInterrupt from None
    except (_ClusterLost, Exception) as error:
        lost = str(error) if isinstance(error, _ClusterLost) else lost_process()
        if lost is None:
            raise
        raise HicoError(
            Problem(
                rule="a Ray cluster that lives as long as the search",
                value=lost,
                remedy="go on with --resume; if it happens again, look for what kills it (memory?)",
            )
        ) from None


class TaskSearcher(Searcher):  # type: ignore[misc]
    """Tune's searcher: asks the controller for tasks while there is room."""

    def __init__(self, state: DriverState, *, nodes: ClusterNodes, max_concurrent: int | None) -> None:
        super().__init__(metric=None, mode=None)
        self._state = state
        self._nodes, self._max_concurrent = nodes, max_concurrent

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next task; nothing while the cluster is full, or while one may still be lost; the end after that."""
        heed_again()  # Tune has a handler of its own for SIGUSR1, by which it ends as if all were done
        self._nodes.warn_if_none_will_do()
        if self._state.controller.at_work >= self._room():
            return None
        task = self._state.controller.next_task()
        if task is not None:
            return {"task": task}
        if self._state.controller.at_work:
            return None
        self._state.is_over = True
        return str(Searcher.FINISHED)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: the scheduler has heard it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger remembers."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def _room(self) -> int:
        return self._nodes.trials_at_once() if self._max_concurrent is None else self._max_concurrent


class ReportScheduler(FIFOScheduler):  # type: ignore[misc]
    """Tune's scheduler: hands what workers say to the controller. A stopped trial learns it from the mailbox."""

    def __init__(
        self,
        state: DriverState,
        watch: WorkerWatch,
        bundle: Mapping[str, float],
        *,
        save: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self._state, self._watch, self._bundle, self._save = state, watch, bundle, save
        self._trials: dict[str, Trial] = {}

    def __reduce__(self) -> tuple[type[FIFOScheduler], tuple[()]]:
        """Nothing of it, as nothing of the state."""
        return FIFOScheduler, ()

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A task was handed out; where it may run is settled before Tune asks for resources."""
        self._trials[trial.trial_id] = trial
        self._watch.attempts.add(trial.trial_id)
        avoided = self._state.avoided(trial.config["task"])
        if avoided:
            elsewhere = {"ray.io/node-id": f"!in({', '.join(sorted(avoided))})"}
            trial.update_resources(tune.PlacementGroupFactory([self._bundle], bundle_label_selector=[elsewhere]))

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The next in line; Tune comes by here in each round, so what has to be looked at is looked at here."""
        if self._state.interrupted.is_set():
            self._save()
            raise _Interrupted
        lost = lost_process()
        if lost is not None:
            raise _ClusterLost(lost)
        if self._watch.due():
            self._look(tune_controller)
        return super().choose_trial_to_run(tune_controller)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Into the ledger first, then the answer."""
        over = self._state.hear(trial.trial_id, trial.config["task"], result[MESSAGE])
        return str(TrialScheduler.STOP if over else TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """A worker was lost; for Tune its trial has ended, and the next that it asks for may be the same task."""
        self._trials.pop(trial.trial_id, None)
        machine = machine_of(tune_controller, trial)
        self._state.lose(trial.trial_id, trial.config["task"], last_error(trial), machine=machine)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Drops Tune's statistics of every number of every result, which it keeps as long as it runs."""
        self._trials.pop(trial.trial_id, None)
        trial.run_metadata.metric_analysis.clear()
        trial.run_metadata.metric_n_steps.clear()

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Tune stopped a task that had no worker yet."""
        self._trials.pop(trial.trial_id, None)
        self._state.give_back(trial.trial_id, trial.config["task"])

    def _look(self, tune_controller: Any) -> None:
        """Kills what hangs; Tune then learns that its worker is gone."""
        for overdue, actor in self._watch.look(tune_controller, list(self._trials.values())):
            process = self._watch.process(overdue.key, actor)
            self._state.kill(overdue.key, overdue, process)
            kill(actor, process)
        self._state.must_have_machines()
        in_vain = self._state.waits_in_vain(LOOK_S)
        for trial in [trial for trial in self._trials.values() if actor_of(tune_controller, trial) is None]:
            if in_vain or self._state.has_nowhere(trial.config["task"]):
                tune_controller.stop_trial(trial)


def _hosts(bundle: Mapping[str, float]) -> dict[str, str]:
    """The machines that could hold a trial if nothing else were there: their hosts' names by Ray's ids."""
    return {
        node["NodeID"]: node["NodeManagerHostname"]
        for node in ray.nodes()
        if node["Alive"] and all(node["Resources"].get(name, 0.0) >= amount for name, amount in bundle.items())
    }


def _trial_name(trial: Trial) -> str:
    return f"trial-{trial.config['task'].number:04d}"

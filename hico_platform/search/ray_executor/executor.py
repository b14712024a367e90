"""Executes the tasks of a :class:`~hico_platform.search.task_source.TaskSource` with Ray Tune."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from hico_platform.errors import HicoError, Problem
from hico_platform.interruptions import interruptions_noted
from hico_platform.search.execution import ClusterOptions, TrialExecution
from hico_platform.search.execution_events import ExecutionObserver, nobody_watches
from hico_platform.search.gpu_sharing import GpuSharing
from hico_platform.search.phases import UNWATCHED, DriverWatch, Phase
from hico_platform.search.ray_executor.cluster import lost_process, ray_cluster
from hico_platform.search.ray_executor.cluster_nodes import ClusterNodes, nodes_alive
from hico_platform.search.ray_executor.driver_state import DriverState
from hico_platform.search.ray_executor.ended_trials import NoProgress
from hico_platform.search.ray_executor.gpu_probe import measured_share
from hico_platform.search.ray_executor.report_scheduler import ClusterLost, Interrupted, ReportScheduler
from hico_platform.search.ray_executor.stop_workers import SAVE_S, stop_workers
from hico_platform.search.ray_executor.task_searcher import TaskSearcher
from hico_platform.search.ray_executor.worker import run_on_worker
from hico_platform.search.ray_executor.worker_monitor import MailboxClient, WorkerMonitor, start_mailbox
from hico_platform.search.resources import TrialResources, check_fits
from hico_platform.search.task import TrialFunction
from hico_platform.search.task_source import TaskSource
from hico_platform.search.worker_timeouts import TaskAttempts

import ray  # isort: skip  (the cluster module sets what Ray reads at import)
from ray import tune  # isort: skip
from ray.tune.execution import class_cache  # isort: skip
from ray.tune.experiment import Trial  # isort: skip

# Seconds after which Tune kills a worker that it no longer needs and that does not answer.
os.environ.setdefault("TUNE_FORCE_TRIAL_CLEANUP_S", "60")

# Tune would hand the driver's keys to workers in a runtime environment, which Ray writes to its log and to the command
# line of each worker. Workers of a cluster of its own inherit the environment; machines of others have their own keys.
class_cache.ENV_VARS_TO_PROPAGATE.difference_update(
    [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]
)


def execute_on_ray(
    controller: TaskSource,
    function: TrialFunction,
    *,
    execution: TrialExecution,
    cluster: ClusterOptions,
    observe: ExecutionObserver = nobody_watches,
    watch: DriverWatch = UNWATCHED,
) -> None:
    """Runs every task of ``controller`` on a Ray cluster.

    Args:
        controller: where tasks come from and reports go.
        function: runs one task; it must pickle.
        execution: what each trial holds, and when a worker is given up.
        cluster: the cluster that tasks run on.
        observe: is called with what happens to workers, in the driver's own thread.
        watch: is told the phases of the start, and what tasks do between their reports.

    Raises:
        UsageError: the cluster cannot be joined, a trial does not fit into a cluster of its own, or it wants GPUs and
            others use all of this machine's.
        HicoError: the cluster of its own died, or trials fail on every machine; the search can be resumed.
        OSError: the disk is full; the search can be resumed.
        KeyboardInterrupt: it was interrupted. Running trials have saved their last whole epoch, from which they
            continue when the search is resumed.
    """
    watch.on_phase(Phase.RAY)
    with (
        ray_cluster(
            address=cluster.address,
            cpus=cluster.cpus,
            gpus=cluster.gpus,
            runtime_env=cluster.runtime_env,
            free_gpus=isinstance(execution.gpus, GpuSharing) or execution.gpus > 0,
        ) as scratch,
        interruptions_noted() as interrupted,
    ):
        if isinstance(execution.gpus, GpuSharing):
            watch.on_phase(Phase.GPU)
        trial = _trial_resources(execution, may_grow=cluster.address is not None, interrupted=interrupted)
        watch.on_phase(Phase.WORKERS)
        driver = _Driver(
            controller=controller,
            execution=execution,
            trial=trial,
            may_grow=cluster.address is not None,
            interrupted=interrupted,
            observe=observe,
            watch=watch,
        )
        with _errors_explained():
            driver.tuner(function, scratch).fit()
            driver.state.check_finished()


def _trial_resources(execution: TrialExecution, *, may_grow: bool, interrupted: threading.Event) -> TrialResources:
    """What a trial holds, measured where that is asked for; checked against a cluster that does not grow."""
    gpus = 0.0 if isinstance(execution.gpus, GpuSharing) else execution.gpus
    if not may_grow:
        held = ray.cluster_resources()
        trial = TrialResources(cpus=execution.cpus, gpus=gpus, options=execution.options)
        check_fits(trial, cpus=held.get("CPU", 0.0), gpus=held.get("GPU", 0.0))
    if isinstance(execution.gpus, GpuSharing):
        gpus = measured_share(execution.gpus, cpus=execution.cpus, interrupted=interrupted)
    return TrialResources(cpus=execution.cpus, gpus=gpus, options=execution.options)


class _Driver:
    """The parts of the driver, put together."""

    def __init__(
        self,
        *,
        controller: TaskSource,
        execution: TrialExecution,
        trial: TrialResources,
        may_grow: bool,
        interrupted: threading.Event,
        observe: ExecutionObserver,
        watch: DriverWatch,
    ) -> None:
        self._bundle = {"CPU": trial.cpus, "GPU": trial.gpus}
        self._mailbox = start_mailbox()
        client = MailboxClient(self._mailbox)
        attempts = TaskAttempts(silence_minutes=execution.silence_minutes, trial_hours=execution.trial_hours)
        self._monitor = WorkerMonitor(attempts=attempts, mailbox=client, on_activity=watch.on_activity)
        self._max_concurrent = execution.max_concurrent
        self.state = DriverState(
            controller=controller,
            workers=self._monitor,
            answer=client.answer,
            hosts=lambda: _hosts(self._bundle),
            interrupted=interrupted,
            retries=execution.retries,
            observe=observe,
        )
        self._nodes = ClusterNodes(trial, may_grow=may_grow, nodes=lambda: nodes_alive(self.state.excluded_machines))

    def tuner(self, function: TrialFunction, scratch: Path) -> tune.Tuner:
        """Tune with its searcher and scheduler replaced; it writes to ``scratch`` alone."""
        trainable = tune.with_resources(
            tune.with_parameters(run_on_worker, function=function, mailbox=self._mailbox),
            tune.PlacementGroupFactory([self._bundle]),
        )
        return tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=TaskSearcher(self.state, nodes=self._nodes, max_concurrent=self._max_concurrent),
                scheduler=ReportScheduler(
                    self.state,
                    self._monitor,
                    self._bundle,
                    save=lambda: stop_workers(self._mailbox, within_s=SAVE_S),
                    pause=self._mailbox.pause.remote,
                ),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=str(scratch),
                failure_config=tune.FailureConfig(max_failures=0),  # DriverState hands lost tasks out again
                verbose=0,
                callbacks=[NoProgress()],
            ),
        )


@contextlib.contextmanager
def _errors_explained() -> Iterator[None]:
    """Tells an interruption, the loss of the cluster and other errors apart, whatever Tune ends with.

    Tune may run into an error caused by a lost cluster before the loss itself is noticed.
    """
    try:
        yield
    except Interrupted:
        raise KeyboardInterrupt from None
    except (ClusterLost, Exception) as error:
        lost = str(error) if isinstance(error, ClusterLost) else lost_process()
        if lost is None:
            raise
        raise HicoError(
            Problem(
                rule="a Ray cluster that lives as long as the search",
                value=lost,
                remedy="go on with --resume; if it happens again, look for what kills it (memory?)",
            )
        ) from None


def _hosts(bundle: Mapping[str, float]) -> dict[str, str]:
    """The machines that could hold a trial if nothing else ran there: host names by Ray's ids."""
    return {
        node["NodeID"]: node["NodeManagerHostname"]
        for node in ray.nodes()
        if node["Alive"] and all(node["Resources"].get(name, 0.0) >= amount for name, amount in bundle.items())
    }


def _trial_name(trial: Trial) -> str:
    return f"trial-{trial.config['task'].number:04d}"

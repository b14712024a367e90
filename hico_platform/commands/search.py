"""Runs a search: ledger, scheduler, executor and tracking store put together."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from hico_platform.commands.checkpoints_option import IN_THE_HOME, CheckpointsOption
from hico_platform.commands.notifying import notifying
from hico_platform.commands.search_followers import SearchFollowers
from hico_platform.config.space import CheckedSpace, GpuShare
from hico_platform.cpus import available_cpus
from hico_platform.data.split_guard import closed_test_split
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.home import HomePaths
from hico_platform.notify.senders import Sender
from hico_platform.search.controller import SearchController
from hico_platform.search.disk_full import explain_disk_full
from hico_platform.search.events import Event, Observer
from hico_platform.search.execution import ClusterOptions, TrialExecution
from hico_platform.search.execution_events import ExecutionEvent, ExecutionObserver
from hico_platform.search.gpu_sharing import GpuSharing, MemoryNeed
from hico_platform.search.heartbeat import heartbeat
from hico_platform.search.ledger.base import (
    Ledger,
    SearchRecord,
    TrialRecord,
    TrialState,
    best_trial,
    config_of,
)
from hico_platform.search.lock import search_lock
from hico_platform.search.notes import ENDED_BY, SESSIONS
from hico_platform.search.objectives import pareto_front
from hico_platform.search.phases import UNWATCHED, DriverWatch, Phase
from hico_platform.search.resources import TrialResources, check_fits, visible_gpus
from hico_platform.search.result import SearchResult
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.start import SearchRequest, StartedSearch, start_search
from hico_platform.search.state import SearchState, search_progress
from hico_platform.search.task import TrialFunction
from hico_platform.search.trial_machines import TrialMachines
from hico_platform.search.trials_folder import claimed
from hico_platform.tracking.base import RunStatus, Tracker
from hico_platform.tracking.check import check_tracking
from hico_platform.tracking.search_logger import SearchLogger

if TYPE_CHECKING:
    from hico_platform.monitoring.search_metrics import SearchMetrics

_log = logging.getLogger(__name__)
# Note of the ledger: what a trial was measured to take of a GPU.
GPU_NEED = "gpu_need"

OWN_CLUSTER = ClusterOptions()
"""A Ray cluster that is started on this machine, with all its CPUs and GPUs."""

OnStart = Callable[[SearchRecord, Sequence[TrialRecord]], None]
"""Called with the search as the ledger has it, and the trials of earlier drivers."""


@closed_test_split("a search")
def run_search(
    request: SearchRequest,
    *,
    paths: HomePaths,
    function: TrialFunction,
    tracker: Tracker,
    cluster: ClusterOptions = OWN_CLUSTER,
    probe: Callable[[], MemoryNeed] | None = None,
    observers: Sequence[Observer] = (),
    on_start: OnStart = lambda search, trials: None,
    senders: Sequence[Sender] = (),
    metrics: SearchMetrics | None = None,
    watch: DriverWatch = UNWATCHED,
    checkpoints: CheckpointsOption = IN_THE_HOME,
) -> SearchResult:
    """Begins or resumes a search, and runs it to its end.

    Args:
        request: the search.
        paths: where ledger, checkpoints and runs are.
        function: runs one trial.
        tracker: where the search is logged.
        cluster: the Ray cluster that trials run on.
        probe: measures what a trial takes of a GPU, on a machine that has one; required where the space says
            ``gpus: auto``.
        observers: are called with each event.
        on_start: is called before the first trial.
        senders: tell people how it goes.
        metrics: observes the search too.
        watch: is told the phases of the start and of the end, and what trials do between their reports.
        checkpoints: where they are to be.

    Raises:
        UsageError: the name is taken or running, a resumed search is another user's or differs in what must agree, a
            trial wants more than a cluster of its own has, or the tracking store refuses what is written.
        HicoError: too many trials failed, or the disk is full.
        KeyboardInterrupt: interrupted, and resumable.
    """
    if cluster.address is None and not request.resume:  # a finished search may be resumed to complete its tracking
        check_machine(request.space, cpus=cluster.cpus, gpus=cluster.gpus)
    from hico_platform.search.ledger.driver_lock import driver_lock
    from hico_platform.search.ledger.optuna_ledger import open_storage

    began_s = time.time()
    with ExitStack() as stack:
        stack.enter_context(explain_disk_full(paths.home))
        for file in paths.locks(request.name):
            stack.enter_context(search_lock(file, name=request.name))
        watch.on_phase(Phase.TRACKING)
        check_tracking(tracker, request.name)
        watch.on_phase(Phase.LEDGER)
        storage = open_storage(paths.storage_url)
        stack.enter_context(driver_lock(storage, name=request.name))
        started = start_search(storage, request, at_s=began_s)
        if metrics is not None:
            started = dataclasses.replace(started, ledger=metrics.timed(started.ledger))
        request, ledger = dataclasses.replace(request, space=started.space), started.ledger
        watcher = stack.enter_context(
            notifying(
                request.space,
                name=request.name,
                home=paths.home,
                senders=senders,
                trials=ledger.trials(),
                sessions=ledger.note(SESSIONS) or (),
            )
        )
        stack.enter_context(heartbeat(ledger))
        on_start(ledger.search, ledger.trials())
        followers = SearchFollowers(ledger, request.space, paths=paths, tracker=tracker, checkpoints=checkpoints)
        status, state = RunStatus.FAILED, SearchState.INTERRUPTED
        try:
            watching = [one for one in (watcher, metrics) if one is not None]
            controller = _controller(
                started,
                request.space,
                paths,
                observers=[followers.logger, *observers, followers.keeper, *watching],
                on_extended=lambda: on_start(ledger.search, ledger.trials()),
            )
            followers.keeper.start()
            if metrics is not None:
                metrics.begin(
                    ledger,
                    space=request.space,
                    report_epochs=controller.report_epochs,
                    tracking=followers.logger,
                    gpus=lambda: controller.gpus,
                )
            if not controller.is_over:  # else there is only the tracking store to complete
                watch.on_phase(Phase.RAY)  # importing Ray takes as long as starting it
                _execute(
                    controller,
                    ledger,
                    request.space,
                    function=followers.on_worker(function),
                    cluster=cluster,
                    probe=probe,
                    observe=_all_of(*(one.on_execution for one in watching)),
                    watch=watch,
                )
            if controller.failures_exceeded:
                state = SearchState.FAILED
            else:
                status, state = RunStatus.FINISHED, SearchState.FINISHED
        except KeyboardInterrupt:
            status = RunStatus.KILLED
            raise
        finally:
            if metrics is not None:  # first: closing the tracking store may take a while
                metrics.end(state)
            untracked = followers.close(status, watch=watch)
        if controller.failures_exceeded:
            most = request.space.settings.resources.max_failures
            raise HicoError(_failures(ledger.trials(), most=most, name=request.name))
        result = _result(ledger, request.space, followers.logger, untracked=untracked, began_s=began_s)
        if watcher is not None:
            watcher.done(result)
        return result


def _controller(
    started: StartedSearch,
    space: CheckedSpace,
    paths: HomePaths,
    *,
    observers: Sequence[Observer],
    on_extended: Callable[[], None],
) -> SearchController:
    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    search = started.ledger.search
    return SearchController(
        ledger=started.ledger,
        space=space,
        scheduler=make_scheduler(space.settings.scheduler, epochs=space.base.budget.epochs),
        directory=claimed(paths.trials(search), search),
        observe=observe,
        warm_points=started.warm_points,
        on_extended=on_extended,
    )


def _all_of(*observers: ExecutionObserver) -> ExecutionObserver:
    def observe(event: ExecutionEvent) -> None:
        for observer in observers:
            observer(event)

    return observe


def _execute(
    controller: SearchController,
    ledger: Ledger,
    space: CheckedSpace,
    *,
    function: TrialFunction,
    cluster: ClusterOptions,
    probe: Callable[[], MemoryNeed] | None,
    observe: ExecutionObserver,
    watch: DriverWatch,
) -> None:
    """Runs the search's trials on Ray, with what its space says of resources and retries."""
    from hico_platform.search.ray_executor.executor import execute_on_ray

    resources = space.settings.resources
    shared = resources.gpus is GpuShare.AUTO
    execution = TrialExecution(
        cpus=resources.cpus,
        gpus=_gpu_sharing(controller, ledger, probe) if shared else resources.given_gpus,
        max_concurrent=resources.max_concurrent,
        retries=resources.retries,
        silence_minutes=resources.silence_minutes,
        trial_hours=resources.trial_hours,
    )
    machines = TrialMachines(ledger)
    observe = _all_of(machines, observe)
    try:
        execute_on_ray(controller, function, execution=execution, cluster=cluster, observe=observe, watch=watch)
    finally:
        with contextlib.suppress(Exception):  # the study may have been deleted: nothing is to fail for this
            machines.keep()


def _gpu_sharing(controller: SearchController, ledger: Ledger, probe: Callable[[], MemoryNeed] | None) -> GpuSharing:
    if probe is None:
        raise UsageError(
            Problem(field="resources.gpus", rule="a number here", value="auto", remedy="give such as resources.gpus=1")
        )

    def on_measured(gpus: float, need: MemoryNeed | None) -> None:
        controller.hold_gpus(gpus)
        ledger.set_note(GPU_NEED, None if need is None else dataclasses.asdict(need))

    return GpuSharing(probe=probe, on_measured=on_measured)


def _result(
    ledger: Ledger, space: CheckedSpace, search_logger: SearchLogger, *, untracked: int, began_s: float
) -> SearchResult:
    trials, ended_by = ledger.trials(), ledger.note(ENDED_BY)
    best = best_trial(trials)
    return SearchResult(
        search=ledger.search,
        progress=search_progress(
            trials,
            limit=ledger.search.limit,
            max_failures=space.settings.resources.max_failures,
            has_driver=False,  # this one is done
            has_ended=ended_by is not None,
        ),
        trials=trials,
        best=best,
        best_config=None if best is None else config_of(best, space),
        front=pareto_front(trials, space.settings.objectives),
        ended_by=ended_by,
        elapsed_s=time.time() - began_s,
        untracked=untracked,
        refused=search_logger.refused,
        refusal=search_logger.refusal,
    )


def check_machine(space: CheckedSpace, *, cpus: int | None = None, gpus: float | None = None) -> None:
    """Whether a trial fits into a cluster of its own on this machine, with all its CPUs and GPUs or as many as given.

    Raises:
        UsageError: it does not, so the search would wait for ever.
    """
    resources = space.settings.resources
    check_fits(
        TrialResources(cpus=resources.cpus, gpus=resources.given_gpus),
        cpus=available_cpus() if cpus is None else cpus,
        gpus=visible_gpus() if gpus is None else gpus,
    )


def _failures(trials: Sequence[TrialRecord], *, most: int, name: str) -> list[Problem]:
    failed = [trial for trial in trials if trial.state is TrialState.FAILED and trial.ending]
    reasons = [
        Problem(
            field=f"trial {trial.number}",
            rule="a trial that trains",
            value=trial.ending.reason if trial.ending else None,
            remedy=f"see its traceback in the tracking store: hico-platform ui, {name}-{trial.number:04d}",
        )
        for trial in failed
    ]
    return [
        Problem(
            field="resources.max_failures",
            rule=f"at most {most} failed trials",
            value=len(failed),
            remedy=f"mend what failed, then give --resume --name {shlex.quote(name)} and a larger "
            "resources.max_failures",
        ),
        *reasons,
    ]

"""The search stage: space, ledger, scheduler, executor and tracking store put together."""

from __future__ import annotations

import dataclasses
import functools
import logging
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hico_platform.config.schema import Scalar, flatten
from hico_platform.config.space import CheckedSpace, GpuShare, space_from
from hico_platform.config.trial import TrialConfig
from hico_platform.cpus import available_cpus
from hico_platform.errors import HicoError, Problem, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.interruptions import time_left_s
from hico_platform.search.controller import SearchController
from hico_platform.search.disk_full import explain_disk_full
from hico_platform.search.drivers import DriverRecord, admitted, this_driver
from hico_platform.search.events import Event, Observer
from hico_platform.search.execution import ClusterOptions, TrialExecution
from hico_platform.search.gpu_sharing import GpuSharing, MemoryNeed
from hico_platform.search.heartbeat import heartbeat
from hico_platform.search.ledger.base import Facts, Ledger, SearchRecord, TrialRecord, TrialState, best_trial, config_of
from hico_platform.search.lock import already_running, holder, name_is_taken, search_lock
from hico_platform.search.notes import ENDED_BY
from hico_platform.search.objectives import pareto_front
from hico_platform.search.resources import TrialResources, check_fits, gpus_in_sight
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.state import SearchProgress, search_progress
from hico_platform.search.task import TrialFunction
from hico_platform.search.trials_folder import claimed
from hico_platform.search.warm_start import warm_points
from hico_platform.tracking.base import RunStatus, Tracker
from hico_platform.tracking.check import check_tracking
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger

if TYPE_CHECKING:
    from hico_platform.search.ledger.optuna_ledger import Storage

_log = logging.getLogger(__name__)
# Note of the ledger: what a trial was measured to take of a GPU.
GPU_NEED = "gpu_need"
# How long the end of a search waits for a tracking store that is away.
PATIENCE_S, PATIENCE_WHEN_CUT_OFF_S = 30.0, 5.0
# And, when it is cut off, for one that is there and slow.
MOST_WHEN_CUT_OFF_S = 10.0


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search came to.

    ``best`` goes by the validation kNN; ``front`` are the trials that no other beats in all objectives.
    ``untracked`` counts writes that wait for a tracking store that is away, ``refused`` those that it did not take,
    ``refusal`` is why not.
    """

    search: SearchRecord
    progress: SearchProgress
    trials: tuple[TrialRecord, ...]
    best: TrialRecord | None
    best_config: TrialConfig | None
    front: tuple[TrialRecord, ...]
    ended_by: str | None
    elapsed_s: float
    untracked: int
    refused: int = 0
    refusal: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        best = self.best
        return {
            "name": self.search.name,
            "state": str(self.progress.state),
            "trials": len(self.trials),
            "states": {str(status): count for status, count in self.progress.counts.items()},
            "best": None
            if best is None
            else {
                "number": best.number,
                "values": dict(best.values),
                "epoch": best.epoch,
                "metrics": {} if best.ending is None else dict(best.ending.metrics),
                "run_id": best.run_id,
            },
            "front": [trial.number for trial in self.front],
            "ended_by": self.ended_by,
            "elapsed_s": self.elapsed_s,
            "untracked": self.untracked,
            "refused": self.refused,
            "refusal": self.refusal,
            "next": command("retrain", self.search.name),
        }


def run_search(
    *,
    paths: HomePaths,
    name: str,
    space: CheckedSpace,
    facts: Facts,
    function: TrialFunction,
    tracker: Tracker,
    resume: bool = False,
    limit: int | None = None,
    address: str | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    cluster_cpus: int | None = None,
    cluster_gpus: int | None = None,
    probe: Callable[[], MemoryNeed] | None = None,
    observers: Sequence[Observer] = (),
    know: Callable[[SearchRecord, Sequence[TrialRecord]], None] = lambda search, trials: None,
    driver: DriverRecord | None = None,
    take_over: bool = False,
) -> SearchResult:
    """Begins or resumes a search, and carries it to its end.

    Args:
        paths: where ledger, checkpoints and runs are.
        name: the search's name; one process at a time runs it.
        space: what is searched.
        facts: what results depend on besides; a resumed search must agree.
        function: carries out one trial.
        tracker: where the search is logged.
        resume: go on with a search of this name, if there is one.
        limit: trials in all; by default the space's.
        address: an existing Ray cluster.
        runtime_env: what workers need of code, packages and variables, as Ray takes it.
        cluster_cpus: CPUs of a cluster of its own.
        cluster_gpus: GPUs of a cluster of its own.
        probe: measures what a trial takes of a GPU, on a machine that has one; wanted where the space says
            ``gpus: auto``.
        observers: are told what happens.
        know: is told of the search, and of the trials that there were before.
        driver: this process, as the ledger is to name it.
        take_over: go on with a search also where another person ran it last.

    Raises:
        UsageError: the name is taken or running, a resumed search is another person's or differs in what must agree, a
            trial wants more than a cluster of its own has, or the tracking store refuses what is written.
        HicoError: too many trials failed, or the disk is full.
        KeyboardInterrupt: interrupted, and resumable.
    """
    if address is None and not resume:  # a finished search may still be made whole in the tracking store
        check_machine(space, cpus=cluster_cpus, gpus=cluster_gpus)
    from hico_platform.search.ledger.optuna_ledger import driver_lock, open_storage

    began_s = time.time()
    with ExitStack() as stack:
        stack.enter_context(explain_disk_full(paths.home))
        for file in paths.locks(name):
            stack.enter_context(search_lock(file, name=name))
        check_tracking(tracker, name)
        storage = open_storage(paths.storage_url)
        stack.enter_context(driver_lock(storage, name=name))
        ledger, warm = _begun_or_resumed(
            storage,
            name=name,
            space=space,
            facts=facts,
            limit=limit,
            driver=driver or this_driver(at_s=began_s),
            resume=resume,
            take_over=take_over,
        )
        stack.enter_context(heartbeat(ledger))
        know(ledger.search, ledger.trials())
        search_logger = SearchLogger(
            ledger=ledger,
            space=space,
            tracker=tracker,
            outbox=Outbox(),
            checkpoint=functools.partial(paths.checkpoint, ledger.search),
        )

        everyone: list[Observer] = [search_logger, *observers]

        def observe(event: Event) -> None:
            for observer in everyone:
                observer(event)

        status = RunStatus.FAILED
        try:
            controller = SearchController(
                ledger=ledger,
                space=space,
                scheduler=make_scheduler(space.settings.scheduler, epochs=space.base.budget.epochs),
                directory=claimed(paths.trials(ledger.search), ledger.search),
                observe=observe,
                warm_points=warm,
            )
            resources = space.settings.resources
            if not controller.is_over:  # else there is only the tracking store to be made whole
                from hico_platform.search.ray_executor.executor import execute_on_ray

                execute_on_ray(
                    controller,
                    function,
                    execution=TrialExecution(
                        cpus=resources.cpus,
                        gpus=_gpu_sharing(controller, ledger, probe)
                        if resources.gpus is GpuShare.AUTO
                        else resources.given_gpus,
                        max_concurrent=resources.max_concurrent,
                        retries=resources.retries,
                        silence_minutes=resources.silence_minutes,
                        trial_hours=resources.trial_hours,
                    ),
                    cluster=ClusterOptions(
                        address=address, runtime_env=runtime_env, cpus=cluster_cpus, gpus=cluster_gpus
                    ),
                )
            status = RunStatus.FAILED if controller.failures_exceeded else RunStatus.FINISHED
        except KeyboardInterrupt:
            status = RunStatus.KILLED
            raise
        finally:
            untracked = _close(search_logger, status)
        records = ledger.trials()
        if controller.failures_exceeded:
            raise HicoError(_failures(records, most=resources.max_failures, name=name))
        best = best_trial(records)
        ended_by = ledger.note(ENDED_BY)
        return SearchResult(
            search=ledger.search,
            progress=search_progress(
                records,
                limit=ledger.search.limit,
                max_failures=resources.max_failures,
                has_driver=False,  # this one is done
                has_ended=ended_by is not None,
            ),
            trials=records,
            best=best,
            best_config=None if best is None else config_of(best, space),
            front=pareto_front(records, space.settings.objectives),
            ended_by=ended_by,
            elapsed_s=time.time() - began_s,
            untracked=untracked,
            refused=search_logger.refused,
            refusal=search_logger.refusal,
        )


def _begun_or_resumed(
    storage: Storage,
    *,
    name: str,
    space: CheckedSpace,
    facts: Facts,
    limit: int | None,
    driver: DriverRecord,
    resume: bool,
    take_over: bool,
) -> tuple[Ledger, Sequence[Mapping[str, Scalar]]]:
    """The ledger, which names this driver before anything else happens, and the points that warm the search."""
    from hico_platform.search.ledger.optuna_ledger import StudyLedger

    if resume and StudyLedger.exists(storage, name=name):
        before = StudyLedger.open(storage, name=name, settle=False).drivers()
        driver = admitted(driver, before=before, name=name, take_over=take_over)
        ledger = StudyLedger.open(storage, name=name)
        _must_agree(ledger.search, space=space, facts=facts)
        ledger.record_driver(driver)
        taken = space_from(ledger.search.source).settings.warm_start if ledger.trials() else ()
        warm = warm_points(storage, [other for other in space.settings.warm_start if other not in taken])
        ledger.reopen(source=space.source, limit=limit or _limit(ledger.search, space))
        return ledger, warm
    StudyLedger.forget_unbegun(storage, name=name)
    trials = limit or space.settings.trials
    warm = warm_points(storage, space.settings.warm_start)
    ledger = StudyLedger.create(storage, name=name, space=space, facts=facts, limit=trials, at_s=driver.began_at_s)
    ledger.record_driver(driver)
    return ledger, warm


def _close(search_logger: SearchLogger, status: RunStatus) -> int:
    """Ends the runs; a search that was cut off waits little for a tracking store, whatever state that is in."""
    if status is RunStatus.FINISHED:
        return search_logger.close(status=status, patience_s=PATIENCE_S)
    patience_s = time_left_s(PATIENCE_WHEN_CUT_OFF_S)
    untracked = search_logger.close(status=status, patience_s=patience_s, at_most_s=time_left_s(MOST_WHEN_CUT_OFF_S))
    if untracked:
        _log.warning("%d writes did not reach the tracking store; --resume makes up for them", untracked)
    return untracked


def _gpu_sharing(controller: SearchController, ledger: Ledger, probe: Callable[[], MemoryNeed] | None) -> GpuSharing:
    if probe is None:
        raise UsageError(
            Problem(field="resources.gpus", rule="a number here", value="auto", remedy="give such as resources.gpus=1")
        )

    def on_measured(gpus: float, need: MemoryNeed | None) -> None:
        controller.hold_gpus(gpus)
        ledger.set_note(GPU_NEED, None if need is None else dataclasses.asdict(need))

    return GpuSharing(probe=probe, on_measured=on_measured)


def check_machine(space: CheckedSpace, *, cpus: int | None = None, gpus: float | None = None) -> None:
    """Whether a trial fits into a cluster of its own on this machine, with all its CPUs and GPUs or as many as given.

    Raises:
        UsageError: it does not, and would be waited for for ever.
    """
    resources = space.settings.resources
    check_fits(
        TrialResources(cpus=resources.cpus, gpus=resources.given_gpus),
        cpus=available_cpus() if cpus is None else cpus,
        gpus=gpus_in_sight() if gpus is None else gpus,
    )


def check_startable(
    paths: HomePaths,
    name: str,
    space: CheckedSpace,
    *,
    facts: Facts | None,
    resume: bool,
    take_over: bool = False,
) -> None:
    """Whether a search could begin, or go on, without touching anything.

    Args:
        paths: where it would be.
        name: its name.
        space: its space.
        facts: what its results depend on besides, where it is known.
        resume: whether a search of that name would go on.
        take_over: whether it would also where another person ran it last.

    Raises:
        UsageError: as :func:`run_search` would.
    """
    from hico_platform.search.ledger.names import refuse_other_study
    from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

    for file in paths.locks(name):
        if holder(file) is not None:
            raise already_running(file, name=name)
    database = paths.storage_file
    if database is not None and not database.exists():
        return
    storage = open_storage(paths.storage_url, create=False)
    refuse_other_study(storage, name=name)
    if not StudyLedger.exists(storage, name=name):
        return
    ledger = StudyLedger.open(storage, name=name, settle=False)
    if resume:
        admitted(this_driver(), before=ledger.drivers(), name=name, take_over=take_over)
        _must_agree(ledger.search, space=space, facts=facts or ledger.search.facts)
    elif ledger.trials():
        raise name_is_taken(name, drivers=ledger.drivers())


def _limit(search: SearchRecord, space: CheckedSpace) -> int:
    """A resumed search keeps its number of trials, unless its space file gives another than it did."""
    was = space_from(search.source).settings.trials
    return search.limit if space.settings.trials == was else space.settings.trials


def _must_agree(search: SearchRecord, *, space: CheckedSpace, facts: Facts) -> None:
    """Results under other data, protocol or fixed settings are not comparable; ranges and limits may change."""
    was = space_from(search.source)
    problems = [
        Problem(
            field=field,
            rule=f"the same as when the search {search.name} began: {before}",
            value=now,
            remedy="resume with what it began with, or begin another search by --name",
        )
        for field, before, now in (
            *_differences({"data": search.facts.data_digest}, {"data": facts.data_digest}),
            *_differences({"protocol": search.facts.protocol}, {"protocol": facts.protocol}),
            *_differences(_transfer(search.facts, was), _transfer(facts, space)),
            *_differences(_fixed(was), _fixed(space)),
        )
    ]
    if problems:
        raise UsageError(problems)


def _fixed(space: CheckedSpace) -> dict[str, Any]:
    """Settings that no trial varies."""
    varied = {field for parameter in space.parameters for field in parameter.fields}
    return {f"base.{name}": value for name, value in flatten(space.base).items() if name not in varied}


def _transfer(facts: Facts, space: CheckedSpace) -> dict[str, Any]:
    """What the transfer metrics depend on; searches of older versions have no digest of that dataset."""
    digest = facts.more.get("transfer_digest")
    return {"transfer_protocol": space.settings.transfer_protocol} | ({"transfer": digest} if digest else {})


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name, was[name], now[name]) for name in was.keys() & now.keys() if was[name] != now[name]]


def _failures(trials: Sequence[TrialRecord], *, most: int, name: str) -> list[Problem]:
    failed = [trial for trial in trials if trial.state is TrialState.FAILED and trial.ending]
    reasons = [
        Problem(
            field=f"trial {trial.number}",
            rule="a trial that trains",
            value=trial.ending.reason if trial.ending else None,
            remedy=f"its traceback is in the tracking store: hico-platform ui, {name}-{trial.number:04d}",
        )
        for trial in failed
    ]
    return [
        Problem(
            field="resources.max_failures",
            rule=f"at most {most} failed trials",
            value=len(failed),
            remedy=f"mend what failed, then --resume --name {shlex.quote(name)} with a larger resources.max_failures",
        ),
        *reasons,
    ]

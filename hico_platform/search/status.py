"""The status of a search, from its ledger and its locks alone."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hico_platform.checkpoint_store import CheckpointStore
from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.enums import Decision
from hico_platform.errors import HicoError
from hico_platform.home import HomePaths
from hico_platform.plug_in_names import missing_plug_ins_named
from hico_platform.plug_ins import BrokenPlugInError, warn_of_missing
from hico_platform.search.checkpoint_place import store_from, stores_of
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.eta import ExpectedEpochs, epochs_spent, seconds_left
from hico_platform.search.heartbeat import DRIVER
from hico_platform.search.ledger.base import ReportRecord, SearchRecord, TrialRecord, best_trial
from hico_platform.search.notes import (
    ARCHIVED,
    CHECKPOINTS,
    ENDED_BY,
    EXCLUDED_MACHINES,
    GPUS,
    PAUSED,
    PERSONS_NOTE,
    SESSIONS,
    TRIAL_MACHINES,
)
from hico_platform.search.objectives import pareto_front
from hico_platform.search.requests import Request
from hico_platform.search.running import driver_of
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.search.state import SearchProgress, SearchState, search_progress, trial_status
from hico_platform.search.stopping import HOUR_S, busy_s
from hico_platform.search.tags import PersonsNote, TagRecord
from hico_platform.search.trial_machines import trial_machines

if TYPE_CHECKING:
    from hico_platform.search.ledger.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The reports at one epoch: how many trials reached it, how many stopped there, and the best score."""

    reached: int
    stopped: int
    best: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Hours that trials have taken so far: of workers, and of the CPUs and GPUs that these held."""

    trial_hours: float
    cpu_hours: float
    gpu_hours: float


@dataclass(frozen=True, kw_only=True)
class SearchStatus:
    """A search at one moment.

    Args:
        search: its record.
        space: what is searched.
        trials: all its trials; a checkpoint is the path of the file in this home.
        best: the best trial so far.
        driver: the process that runs the search, if one does.
        drivers: all processes that have run it, in order.
        seconds_left: an estimate while a driver runs it.
        ended_by: the stop rule that ended it, if one did.
        cost: hours spent so far.
        gpus: GPUs that a trial holds.
        machines_left_out: machines that the last driver excluded, each with host, reason and trials.
        at_s: the moment, Unix time.
        tags: what people tagged the search with.
        note: what a person wrote about it.
        is_archived: whether lists leave it out.
        sessions: when each driver began, Unix times.
        requests: what people asked of it, with the answers.
        is_paused: whether its driver runs no trial for the time being.
        paused_trials: trials that wait until they are continued.
        waiting: the numbers that enqueued points will have.
        ran_on: by the number of a trial the machine on which it ran, with its GPUs, where that is known.
        stores: where it and its retrainings have checkpoints, but for the home.
        missing_plug_ins: plug-ins that it used and that are not installed here: ``encoder mine``.
    """

    search: SearchRecord
    space: CheckedSpace
    trials: tuple[TrialRecord, ...]
    best: TrialRecord | None
    driver: Mapping[str, object] | None
    drivers: tuple[DriverRecord, ...]
    seconds_left: float | None
    ended_by: str | None
    cost: Cost
    gpus: float
    machines_left_out: tuple[Mapping[str, Any], ...]
    at_s: float
    tags: tuple[TagRecord, ...] = ()
    note: PersonsNote | None = None
    is_archived: bool = False
    sessions: tuple[float, ...] = ()
    requests: tuple[Request, ...] = ()
    is_paused: bool = False
    paused_trials: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()
    ran_on: Mapping[int, str] = field(default_factory=dict)
    stores: tuple[CheckpointStore, ...] = ()
    missing_plug_ins: tuple[str, ...] = ()

    def busy_s(self, trial: TrialRecord) -> float | None:
        """Seconds for which a trial ran on workers so far; not known of one that was interrupted."""
        if trial.ending is None and self.driver is None:
            return None
        return busy_s(trial, now_s=self.at_s, sessions=self.sessions)

    @property
    def without_report(self) -> dict[int, float]:
        """The running trials that have not reported yet, by number: the seconds for which each is on a worker."""
        if self.driver is None:
            return {}
        return {
            trial.number: busy_s(trial, now_s=self.at_s, sessions=self.sessions)
            for trial in self.trials
            if trial.ending is None and not trial.reports and trial.number not in self.paused_trials
        }

    @property
    def report_epochs(self) -> tuple[int, ...]:
        """Where trials report, by the scheduler; where they did, if that is not installed here or broken."""
        try:
            epochs = make_scheduler(self.space.settings.scheduler, epochs=self.space.base.budget.epochs).report_epochs
        except BrokenPlugInError:
            epochs = tuple(self.rungs)
        return tuple(epochs)

    @property
    def owner(self) -> str | None:
        """The user who ran it last and may resume it; None if an older version ran it."""
        return self.drivers[-1].user if self.drivers else None

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The Pareto front of the complete trials."""
        return pareto_front(self.trials, self.space.settings.objectives)

    @property
    def progress(self) -> SearchProgress:
        """The state of the search, and the number of trials in each state."""
        return search_progress(
            self.trials,
            limit=self.search.limit,
            max_failures=self.space.settings.resources.max_failures,
            has_driver=self.driver is not None,
            has_ended=self.ended_by is not None,
        )

    @property
    def state(self) -> SearchState:
        """The state alone."""
        return self.progress.state

    @property
    def rungs(self) -> dict[int, Rung]:
        """The reports at each epoch at which any trial reported."""
        rungs = {}
        by_epoch: dict[int, list[ReportRecord]] = defaultdict(list)
        for trial in self.trials:
            for report in trial.reports:
                by_epoch[report.epoch].append(report)
        for epoch, here in sorted(by_epoch.items()):
            stopped = sum(report.decision is Decision.STOP for report in here)
            rungs[epoch] = Rung(reached=len(here), stopped=stopped, best=max(report.value for report in here))
        return rungs

    def trial_as_dict(self, trial: TrialRecord) -> dict[str, Any]:
        """Plain values of a trial whole: also its configuration, its reports and when it ran."""
        return {
            **_trial(trial, has_driver=self.driver is not None),
            "config": None if trial.config is None else dict(trial.config),
            "reports": [
                {
                    "epoch": report.epoch,
                    "value": report.value,
                    "standard_error": report.standard_error,
                    "decision": str(report.decision),
                    "scores": dict(report.metrics),
                    "standard_errors": dict(report.standard_errors),
                    "at_s": report.at_s,
                    "machine": report.machine,
                }
                for report in trial.reports
            ],
            "began_at_s": trial.began_at_s,
            "ended_at_s": None if trial.ending is None else trial.ending.at_s,
            "trial_seconds": self.busy_s(trial),
            "traceback": None if trial.ending is None else trial.ending.traceback,
        }

    def whole_as_dict(self) -> dict[str, Any]:
        """Plain values of what the search is, beside its state: its space and what its results depend on."""
        facts = self.search.facts
        return {
            "space": dict(self.search.source),
            "facts": {
                "data_digest": facts.data_digest,
                "protocol": facts.protocol,
                "code_version": facts.code_version,
                "seed": facts.seed,
                **facts.more,
            },
            "key": self.search.key,
            "began_at_s": self.search.began_at_s,
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        progress = self.progress
        return {
            "name": self.search.name,
            "state": str(progress.state),
            "limit": self.search.limit,
            "counts": {str(status): count for status, count in progress.counts.items()},
            "epochs": epochs_spent(self.trials),
            "without_report": {str(number): seconds for number, seconds in self.without_report.items()},
            "epochs_a_trial": self.space.base.budget.epochs,
            "rungs": {str(epoch): dataclasses.asdict(rung) for epoch, rung in self.rungs.items()},
            "seconds_left": self.seconds_left,
            "ended_by": self.ended_by,
            "cost": dataclasses.asdict(self.cost),
            "gpus_per_trial": self.gpus,
            "machines_left_out": [dict(machine) for machine in self.machines_left_out],
            "best": None if self.best is None else _trial(self.best, has_driver=self.driver is not None),
            "objectives": [str(objective) for objective in self.space.settings.objectives],
            "front": [trial.number for trial in self.front],
            "driver": None if self.driver is None else dict(self.driver),
            "owner": self.owner,
            "former_names": list(self.search.former_names),
            "tags": [tag.name for tag in self.tags],
            "note": None if self.note is None else self.note.text,
            "archived": self.is_archived,
            "paused": {"search": self.is_paused, "trials": list(self.paused_trials)},
            "waiting": list(self.waiting),
            "missing_plug_ins": list(self.missing_plug_ins),
            "requests": [request.as_dict() for request in self.requests],
            "drivers": [dataclasses.asdict(driver) for driver in self.drivers],
            "trials": [_trial(trial, has_driver=self.driver is not None) for trial in self.trials],
        }


class SearchWatch:
    """Reads the status of one search repeatedly; of trials that have ended, once.

    Raises:
        UsageError: there is no search of that name.
    """

    def __init__(self, paths: HomePaths, name: str) -> None:
        from hico_platform.search.ledger.snapshot import SnapshotReader

        self._paths, self._name = paths, name
        self._reader = SnapshotReader(name)
        self._first: Snapshot | None = self._read()

    def look(self, *, at_s: float | None = None) -> SearchStatus:
        """The search at this moment."""
        snapshot, self._first = self._first or self._read(), None
        with missing_plug_ins_named() as missing:
            status = _status(self._paths, snapshot, now_s=time.time() if at_s is None else at_s)
        recorded = str(status.search.facts.more.get("plug_ins", ""))
        for group, name in sorted(missing):
            warn_of_missing(group, name, recorded=recorded, search=self._name)
        names = tuple(f"{group.noun} {name}" for group, name in sorted(missing))
        return dataclasses.replace(status, missing_plug_ins=names) if names else status

    def _read(self) -> Snapshot:
        from hico_platform.search.ledger.engine import looking_at
        from hico_platform.search.ledger.snapshot import has_known_schema

        with looking_at(self._paths.storage_url) as connection:
            if not has_known_schema(connection):
                from hico_platform.search.ledger.storage import open_storage

                open_storage(self._paths.storage_url, create=False)  # raises where Optuna cannot read it either
            with missing_plug_ins_named():  # trials of older versions take their configuration from the space
                snapshot = self._reader.read(connection)
        if snapshot is None:
            from hico_platform.search.ledger.names import unknown_search
            from hico_platform.search.ledger.storage import open_storage

            raise unknown_search(open_storage(self._paths.storage_url, create=False), name=self._name)
        return snapshot


def search_status(paths: HomePaths, name: str, *, at_s: float | None = None) -> SearchStatus:
    """The search ``name`` at this moment.

    Raises:
        UsageError: there is no search of that name.
    """
    return SearchWatch(paths, name).look(at_s=at_s)


def progress_of(paths: HomePaths, name: str) -> SearchProgress:
    """The state of the search ``name`` and the number of trials in each state, for commands that use its results.

    Raises:
        UsageError: there is no search of that name.
    """
    return search_status(paths, name).progress


def _status(paths: HomePaths, ledger: Snapshot, *, now_s: float) -> SearchStatus:
    store = store_from(ledger.note(CHECKPOINTS))
    where = _in_home(paths, ledger.search) if store is None else store.address
    trials = tuple(_located(trial, where) for trial in ledger.trials)
    driver = driver_of(paths, ledger.search.name, ledger.note(DRIVER), now_s=now_s)
    space = space_from(ledger.search.source)
    sessions = ledger.note(SESSIONS) or []
    resources = space.settings.resources
    counted = [trial for trial in trials if driver or trial.ending is not None]
    hours = sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial in counted) / HOUR_S
    measured, paused = ledger.note(GPUS), ledger.note(PAUSED) or {}
    gpus = resources.given_gpus if measured is None else float(measured)
    return SearchStatus(
        search=ledger.search,
        space=space,
        trials=trials,
        best=best_trial(trials),
        driver=driver,
        drivers=ledger.drivers,
        seconds_left=seconds_left(
            trials,
            limit=ledger.search.limit,
            now_s=now_s,
            sessions=sessions,
            expected=ExpectedEpochs.of(space, limit=ledger.search.limit),
        )
        if driver
        else None,
        ended_by=ledger.note(ENDED_BY),
        cost=Cost(
            trial_hours=hours,
            cpu_hours=hours * resources.cpus,
            gpu_hours=hours * gpus,
        ),
        gpus=gpus,
        machines_left_out=tuple(ledger.note(EXCLUDED_MACHINES) or ()),
        at_s=now_s,
        tags=ledger.tags,
        note=PersonsNote.from_plain(ledger.note(PERSONS_NOTE)),
        is_archived=bool(ledger.note(ARCHIVED)),
        sessions=tuple(sessions),
        requests=ledger.requests,
        is_paused=driver is not None and bool(paused.get("search")),
        paused_trials=tuple(paused.get("trials", ())) if driver is not None else (),
        waiting=ledger.waiting,
        ran_on=trial_machines(ledger.note(TRIAL_MACHINES)),
        stores=tuple(stores_of(paths, ledger.search.name, ledger.note(CHECKPOINTS))),
    )


def _in_home(paths: HomePaths, search: SearchRecord) -> Callable[[str], str]:
    """Gives the path in this home of a checkpoint that the ledger names."""
    folder = os.fspath(paths.trials(search))

    def path(recorded: str) -> str:
        inside = not os.path.isabs(recorded) and os.path.normpath(recorded) == recorded
        return os.path.join(folder, recorded) if inside else os.fspath(paths.checkpoint(search, recorded))

    return path


def _located(trial: TrialRecord, where: Callable[[str], str]) -> TrialRecord:
    """A trial with the place of its checkpoint: the path of a file, or the address in a store."""
    ending = trial.ending
    if ending is None or ending.checkpoint is None:
        return trial
    return dataclasses.replace(trial, ending=dataclasses.replace(ending, checkpoint=where(ending.checkpoint)))


@dataclass(frozen=True, kw_only=True)
class OtherStudy:
    """A study of a home's database that cannot be shown as a search, and why."""

    name: str
    reason: str
    is_search: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {"name": self.name, "state": None, "error": self.reason}


def searches(paths: HomePaths) -> tuple[SearchStatus | OtherStudy, ...]:
    """All searches of a home by name; one that cannot be read is listed with the reason."""
    from hico_platform.search.ledger.names import other_study_names, search_names
    from hico_platform.search.ledger.optuna_ledger import open_storage

    storage = open_storage(paths.storage_url, create=False)
    found: dict[str, SearchStatus | OtherStudy] = {
        name: OtherStudy(name=name, reason="not a search: a study that this package did not make")
        for name in other_study_names(storage)
    }
    for name in search_names(storage):
        try:
            found[name] = search_status(paths, name)
        except HicoError as error:
            found[name] = OtherStudy(name=name, reason=f"cannot be read: {error.problems[0]}", is_search=True)
    return tuple(found[name] for name in sorted(found))


def _trial(trial: TrialRecord, *, has_driver: bool) -> dict[str, Any]:
    ending = trial.ending
    return {
        "number": trial.number,
        "state": str(trial_status(trial, has_driver=has_driver)),
        "origin": str(trial.origin),
        "values": dict(trial.values),
        "epoch": trial.epoch,
        "value": trial.value,
        "standard_error": trial.standard_error,
        "scores": dict(trial.reports[-1].metrics) if trial.reports else {},
        "knn_top1": trial.reports[-1].metrics.get("knn_top1", trial.value) if trial.reports else None,
        "measures": list(trial.measures),
        "curve": {str(epoch): value for epoch, value in trial.curve.items()},
        "metrics": {} if ending is None else dict(ending.metrics),
        "reason": None if ending is None else ending.reason,
        "checkpoint": None if ending is None else ending.checkpoint,
        "run_id": trial.run_id,
        "machine": trial.machine,
        "seconds": None if ending is None else ending.at_s - trial.began_at_s,
    }

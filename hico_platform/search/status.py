"""The status of a search, from its ledger alone."""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.enums import Decision
from hico_platform.errors import HicoError
from hico_platform.home import HomePaths
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.eta import epochs_spent, seconds_left
from hico_platform.search.heartbeat import DRIVER, live_driver
from hico_platform.search.ledger.base import Ledger, SearchRecord, TrialRecord, best_trial
from hico_platform.search.lock import holder
from hico_platform.search.notes import ENDED_BY, EXCLUDED_MACHINES, GPUS, SESSIONS
from hico_platform.search.objectives import pareto_front
from hico_platform.search.state import SearchProgress, SearchState, search_progress, trial_status
from hico_platform.search.stopping import HOUR_S, busy_s


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Trials at one report epoch: how many reached it, how many were stopped there, and the best score."""

    reached: int
    stopped: int
    best: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What trials took so far, in hours: of workers, and of the CPUs and GPUs that those held."""

    trial_hours: float
    cpu_hours: float
    gpu_hours: float


@dataclass(frozen=True, kw_only=True)
class SearchStatus:
    """A search at one moment.

    ``driver`` is the process that runs it, if one does; ``drivers`` are all that ever did, in order. ``gpus`` are
    those that a trial holds. ``machines_left_out`` are those on which the last driver began no further trial, each
    with host, reason and trials.
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

    @property
    def owner(self) -> str | None:
        """The user who ran it last, and may resume it; None where an older version ran it."""
        return self.drivers[-1].user if self.drivers else None

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The trials of the whole budget that no other beats in all objectives."""
        return pareto_front(self.trials, self.space.settings.objectives)

    @property
    def progress(self) -> SearchProgress:
        """The search's state, and how many of its trials are what."""
        return search_progress(
            self.trials,
            limit=self.search.limit,
            max_failures=self.space.settings.resources.max_failures,
            has_driver=self.driver is not None,
            has_ended=self.ended_by is not None,
        )

    @property
    def state(self) -> SearchState:
        """In one word."""
        return self.progress.state

    @property
    def rungs(self) -> dict[int, Rung]:
        """The trials at each epoch at which some reported."""
        rungs = {}
        for epoch in sorted({report.epoch for trial in self.trials for report in trial.reports}):
            here = [report for trial in self.trials for report in trial.reports if report.epoch == epoch]
            stopped = sum(report.decision is Decision.STOP for report in here)
            rungs[epoch] = Rung(reached=len(here), stopped=stopped, best=max(report.value for report in here))
        return rungs

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        progress = self.progress
        return {
            "name": self.search.name,
            "state": str(progress.state),
            "limit": self.search.limit,
            "counts": {str(status): count for status, count in progress.counts.items()},
            "epochs": epochs_spent(self.trials),
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
            "drivers": [dataclasses.asdict(driver) for driver in self.drivers],
            "trials": [_trial(trial, has_driver=self.driver is not None) for trial in self.trials],
        }


class SearchWatch:
    """Looks at one search again and again; its database stays open, and trials that are over are read once.

    Raises:
        UsageError: there is no search of that name.
    """

    def __init__(self, paths: HomePaths, name: str) -> None:
        from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage

        self._paths = paths
        self._ledger: Ledger = StudyLedger.open(open_storage(paths.storage_url, create=False), name=name, settle=False)

    def look(self, *, at_s: float | None = None) -> SearchStatus:
        """The search at this moment."""
        return _status(self._paths, self._ledger, now_s=time.time() if at_s is None else at_s)


def search_status(paths: HomePaths, name: str, *, at_s: float | None = None) -> SearchStatus:
    """The search ``name`` at this moment.

    Raises:
        UsageError: there is no search of that name.
    """
    return SearchWatch(paths, name).look(at_s=at_s)


def progress_of(paths: HomePaths, name: str) -> SearchProgress:
    """The state of the search ``name``, and how many of its trials have ended: for commands that use its results.

    Raises:
        UsageError: there is no search of that name.
    """
    return search_status(paths, name).progress


def _status(paths: HomePaths, ledger: Ledger, *, now_s: float) -> SearchStatus:
    trials = tuple(_located(trial, paths=paths, search=ledger.search) for trial in ledger.trials())
    driver = _driver(paths, ledger, now_s=now_s)
    space = space_from(ledger.search.source)
    sessions = ledger.note(SESSIONS) or []
    resources = space.settings.resources
    over = [trial for trial in trials if driver or trial.ending is not None]
    hours = sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial in over) / HOUR_S
    measured = ledger.note(GPUS)
    gpus = resources.given_gpus if measured is None else float(measured)
    return SearchStatus(
        search=ledger.search,
        space=space,
        trials=trials,
        best=best_trial(trials),
        driver=driver,
        drivers=ledger.drivers(),
        seconds_left=seconds_left(trials, limit=ledger.search.limit, now_s=now_s, sessions=sessions)
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
    )


def _located(trial: TrialRecord, *, paths: HomePaths, search: SearchRecord) -> TrialRecord:
    """A trial whose checkpoint is named by where it lies in this home."""
    if trial.ending is None or trial.ending.checkpoint is None:
        return trial
    file = paths.checkpoint(search, trial.ending.checkpoint)
    return dataclasses.replace(trial, ending=dataclasses.replace(trial.ending, checkpoint=str(file)))


def _driver(paths: HomePaths, ledger: Ledger, *, now_s: float) -> Mapping[str, object] | None:
    """The process that runs a search: by its locks in this home at once, from elsewhere by its sign of life."""
    files = paths.locks(ledger.search.name)
    for file in files:
        found = holder(file)
        if found is not None:
            return found
    beat = live_driver(ledger.note(DRIVER), now_s=now_s)
    ran_here = beat is not None and beat["host"] == socket.gethostname() and files[0].exists()
    return None if ran_here else beat


@dataclass(frozen=True, kw_only=True)
class OtherStudy:
    """A study of a home's database that cannot be shown as a search, and why."""

    name: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {"name": self.name, "state": None, "error": self.reason}


def searches(paths: HomePaths) -> tuple[SearchStatus | OtherStudy, ...]:
    """All searches of a home by name; one that cannot be read keeps none of the others from being shown."""
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
            found[name] = OtherStudy(name=name, reason=f"cannot be read: {error.problems[0]}")
    return tuple(found[name] for name in sorted(found))


def _trial(trial: TrialRecord, *, has_driver: bool) -> dict[str, Any]:
    ending = trial.ending
    return {
        "number": trial.number,
        "state": str(trial_status(trial, has_driver=has_driver)),
        "origin": str(trial.origin),
        "values": dict(trial.values),
        "epoch": trial.epoch,
        "knn_top1": trial.value,
        "measures": list(trial.measures),
        "curve": {str(epoch): value for epoch, value in trial.curve.items()},
        "metrics": {} if ending is None else dict(ending.metrics),
        "reason": None if ending is None else ending.reason,
        "checkpoint": None if ending is None else ending.checkpoint,
        "run_id": trial.run_id,
        "seconds": None if ending is None else ending.at_s - trial.began_at_s,
    }

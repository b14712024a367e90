"""The status stage: how a search stands, from its ledger alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.search.ledger.base import SearchRecord, TrialRecord, TrialState, best_trial
from hico_platform.search.lock import holder
from hico_platform.search.objectives import pareto_front
from hico_platform.search.progress import epochs_spent, seconds_left
from hico_platform.search.steering import ENDED_BY, SESSIONS
from hico_platform.search.stopping import HOUR_S, busy_s
from hico_platform.stages.places import Places


@dataclass(frozen=True, kw_only=True)
class SearchStatus:
    """A search at one moment. ``driver`` is the process that runs it, if one does."""

    search: SearchRecord
    space: CheckedSpace
    trials: tuple[TrialRecord, ...]
    best: TrialRecord | None
    driver: Mapping[str, object] | None
    seconds_left: float | None
    ended_by: str | None
    gpu_hours: float
    at_s: float

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The trials of the whole budget that no other beats in all objectives."""
        return pareto_front(self.trials, self.space.settings.objectives)

    @property
    def is_finished(self) -> bool:
        """Whether every trial has ended and no more are to begin."""
        over = len(self.trials) >= self.search.limit or self.ended_by is not None
        return over and all(trial.state.is_final for trial in self.trials)

    @property
    def stand(self) -> str:
        """In one word."""
        return "finished" if self.is_finished else "running" if self.driver else "interrupted"

    @property
    def rungs(self) -> dict[int, int]:
        """How many trials reported at each epoch."""
        return dict(sorted(Counter(epoch for trial in self.trials for epoch in trial.curve).items()))

    def count(self, state: TrialState) -> int:
        """Trials in a state."""
        return sum(trial.state is state for trial in self.trials)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "name": self.search.name,
            "stand": self.stand,
            "limit": self.search.limit,
            "counts": {str(state): self.count(state) for state in TrialState},
            "epochs": epochs_spent(self.trials),
            "epochs_a_trial": self.space.base.budget.epochs,
            "rungs": {str(epoch): count for epoch, count in self.rungs.items()},
            "seconds_left": self.seconds_left,
            "ended_by": self.ended_by,
            "gpu_hours": self.gpu_hours,
            "best": None if self.best is None else _trial(self.best),
            "objectives": [str(objective) for objective in self.space.settings.objectives],
            "front": [trial.number for trial in self.front],
            "driver": None if self.driver is None else dict(self.driver),
            "trials": [_trial(trial) for trial in self.trials],
        }


def search_status(places: Places, name: str, *, at_s: float | None = None) -> SearchStatus:
    """How the search ``name`` stands.

    Raises:
        UsageError: there is no search of that name.
    """
    from hico_platform.search.ledger.study import StudyLedger, open_storage

    now_s = time.time() if at_s is None else at_s
    ledger = StudyLedger.open(open_storage(places.storage_url, create=False), name=name, settle=False)
    trials = ledger.trials()
    driver = holder(places.lock(name))
    space = space_from(ledger.search.source)
    sessions = ledger.note(SESSIONS) or []
    gpus = space.settings.resources.gpus
    over = [trial for trial in trials if driver or trial.ending is not None]
    return SearchStatus(
        search=ledger.search,
        space=space,
        trials=trials,
        best=best_trial(trials),
        driver=driver,
        seconds_left=seconds_left(trials, limit=ledger.search.limit, now_s=now_s) if driver else None,
        ended_by=ledger.note(ENDED_BY),
        gpu_hours=gpus * sum(busy_s(trial, now_s=now_s, sessions=sessions) for trial in over) / HOUR_S,
        at_s=now_s,
    )


def searches(places: Places) -> tuple[SearchStatus, ...]:
    """All searches of a home."""
    from hico_platform.search.ledger.study import StudyLedger, open_storage, search_names

    storage = open_storage(places.storage_url, create=False)
    names = [name for name in search_names(storage) if StudyLedger.exists(storage, name=name)]
    return tuple(search_status(places, name) for name in names)


def _trial(trial: TrialRecord) -> dict[str, Any]:
    ending = trial.ending
    return {
        "number": trial.number,
        "state": str(trial.state),
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

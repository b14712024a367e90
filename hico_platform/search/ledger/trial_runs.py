"""The runs of trials in the tracking store, as attributes of the trials.

A run may be opened after its trial has ended, when Optuna changes nothing of a trial any more; so they are written and
read past Optuna. Databases of older versions, and storages in memory, have them as attributes of the study.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import optuna
from sqlalchemy import text

from hico_platform.search.ledger.attributes import study_attributes
from hico_platform.search.ledger.step import session_of
from hico_platform.search.ledger.study_records import RUN, RUN_OF_TRIAL

Storage = optuna.storages.BaseStorage

_WRITE = text(
    "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
    "SELECT trial_id, :key, :run FROM trials WHERE trial_id = :trial "  # none of a study that was deleted
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"
)
_READ = text(
    "SELECT trials.number, runs.value_json FROM trials "
    "JOIN trial_user_attributes runs ON runs.trial_id = trials.trial_id AND runs.key = :key "
    "WHERE trials.study_id = :study"
)


class TrialRuns:
    """The runs of one study's trials, by the trials' numbers.

    A run that is not known here is found by its key in the tracking store, so it need not be written at once: it waits
    for the next write of the driver, a heartbeat at the latest.

    Args:
        storage: the database.
        study: the study's id there.
    """

    def __init__(self, storage: Storage, study: int) -> None:
        self._storage, self._study = storage, study
        self._waiting: dict[int, tuple[int, str]] = {}

    def add(self, number: int, trial: int, run: str) -> None:
        """Keeps the run of a trial, which has an id in the database, for the next :meth:`write`."""
        if session_of(self._storage) is None:
            self._storage.set_study_user_attr(self._study, f"{RUN}{number}", run)
        else:
            self._waiting[number] = trial, run

    def write(self) -> Mapping[int, tuple[int, str]]:
        """Writes what waits, in the transaction of the step that is going on; :meth:`written` is to follow it."""
        session, waiting = session_of(self._storage), dict(self._waiting)
        if session is not None and waiting:
            rows = [{"trial": trial, "key": RUN_OF_TRIAL, "run": json.dumps(run)} for trial, run in waiting.values()]
            session.execute(_WRITE, rows)
        return waiting

    def written(self, runs: Mapping[int, tuple[int, str]]) -> None:
        """These are in the database."""
        for number, run in runs.items():
            if self._waiting.get(number) == run:
                self._waiting.pop(number, None)

    def waiting(self) -> dict[int, str]:
        """The runs that are not in the database yet."""
        return {number: run for number, (_, run) in dict(self._waiting).items()}

    def all(self) -> dict[int, str]:
        """The runs that are known, whichever version wrote them."""
        old = study_attributes(self._storage, self._study, prefixes=(RUN,))
        found = {int(key.removeprefix(RUN)): run for key, run in old.items()}
        if isinstance(self._storage, optuna.storages.RDBStorage):
            with self._storage.engine.connect() as connection:
                rows = connection.execute(_READ, {"key": RUN_OF_TRIAL, "study": self._study})
                found |= {number: json.loads(run) for number, run in rows}
        return found | self.waiting()

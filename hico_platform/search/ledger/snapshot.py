"""One search as its database has it at a moment, read by a few queries and without Optuna, to be looked at.

Optuna reads a study trial by trial as objects of its own, which takes ten times as long for thousands of trials. Trials
that have ended are read once: their records do not change, but for their runs in the tracking store.
"""

from __future__ import annotations

import functools
import gc
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, text

from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger.base import SearchRecord, TrialRecord, whole_config
from hico_platform.search.ledger.record_fields import checked_note
from hico_platform.search.ledger.serialization import readable
from hico_platform.search.ledger.study_records import (
    ANSWER,
    FIRST_SOURCE,
    NOTE,
    REQUEST,
    RUN,
    RUN_OF_TRIAL,
    driver_records,
    request_records,
    search_record,
    tag_records,
    trial_record_of,
)
from hico_platform.search.notes import PAUSES
from hico_platform.search.pauses import Pause, pauses_from
from hico_platform.search.requests import Request
from hico_platform.search.tags import TagRecord

_STUDY = text("SELECT study_id FROM studies WHERE study_name = :name")
_ATTRIBUTES = text("SELECT key, value_json FROM study_user_attributes WHERE study_id = :study")
_TRIALS = text(
    "SELECT trial_id, number, state FROM trials WHERE study_id = :study AND trial_id > :after ORDER BY number"
)
_OF_TRIALS = text(
    "SELECT trials.trial_id, attributes.key, attributes.value_json FROM trials "
    "JOIN trial_user_attributes attributes ON attributes.trial_id = trials.trial_id "
    "WHERE trials.study_id = :study AND trials.trial_id > :after"
)
_RUNS = text(
    "SELECT trials.number, runs.value_json FROM trials "
    "JOIN trial_user_attributes runs ON runs.trial_id = trials.trial_id AND runs.key = :key "
    "WHERE trials.study_id = :study"
)
_WAITING = "WAITING"
_SCHEMA = text("SELECT version_num FROM alembic_version")
SCHEMA = "v3.2.0.a"
"""Of Optuna's tables, as they are read here; what becomes of others is for Optuna to say."""


def has_known_schema(connection: Connection) -> bool:
    """Whether a study database has the tables that a :class:`SnapshotReader` knows."""
    return connection.execute(_SCHEMA).scalar() == SCHEMA


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A search at one moment.

    Attributes:
        search: its record.
        trials: all trials that were begun, by number.
        waiting: the numbers of enqueued points.
        attributes: of the study.
    """

    search: SearchRecord
    trials: tuple[TrialRecord, ...]
    waiting: tuple[int, ...]
    attributes: Mapping[str, Any] = field(repr=False)

    def note(self, key: str) -> Any:
        """A value that is kept with the search, or nothing."""
        with readable(self.search.name, written_by=self.search.facts.code_version):
            return checked_note(key, self.attributes.get(f"{NOTE}{key}"))

    @property
    def drivers(self) -> tuple[DriverRecord, ...]:
        """The processes that ran the search, in order."""
        return driver_records(self.attributes)

    @property
    def tags(self) -> tuple[TagRecord, ...]:
        """Its tags, by name."""
        return tag_records(self.attributes)

    @property
    def requests(self) -> tuple[Request, ...]:
        """What people asked of it, in order."""
        found = {key: value for key, value in self.attributes.items() if key.startswith((REQUEST, ANSWER))}
        return request_records(found)


class SnapshotReader:
    """Reads one search again and again.

    Args:
        name: of the search.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._study: int | None = None
        self._ended: dict[int, TrialRecord] = {}  # by the trial's id
        self._after = 0  # every trial up to this id has ended

    def read(self, connection: Connection) -> Snapshot | None:
        """The search now; None where there is no search of that name.

        Raises:
            UsageError: this version cannot read its records.
        """
        study = connection.execute(_STUDY, {"name": self._name}).scalar()
        rows = connection.execute(_ATTRIBUTES, {"study": study}).all() if study is not None else ()
        attributes = {key: json.loads(value) for key, value in rows}
        if study is None or "search" not in attributes:
            return None
        if study != self._study:
            self._study, self._ended, self._after = study, {}, 0
        search = search_record(self._name, attributes)
        with readable(self._name, written_by=search.facts.code_version), uncollected():
            trials, waiting = self._trials(connection, study)
        runs = {int(key.removeprefix(RUN)): run for key, run in attributes.items() if key.startswith(RUN)}
        new = connection.execute(_RUNS, {"study": study, "key": RUN_OF_TRIAL})
        runs |= {number: json.loads(run) for number, run in new}
        pauses = pauses_from(attributes.get(f"{NOTE}{PAUSES}"))
        first = attributes["search"].get(FIRST_SOURCE)
        old_space = functools.cache(lambda: space_from(first))
        return Snapshot(
            search=search,
            trials=tuple(_complete(trial, runs, pauses, None if first is None else old_space) for trial in trials),
            waiting=waiting,
            attributes=attributes,
        )

    def _trials(self, connection: Connection, study: int) -> tuple[list[TrialRecord], tuple[int, ...]]:
        where = {"study": study, "after": self._after}
        rows = connection.execute(_TRIALS, where).all()
        attributes: dict[int, dict[str, Any]] = defaultdict(dict)
        for trial_id, key, value in connection.execute(_OF_TRIALS, where):
            if trial_id not in self._ended:
                attributes[trial_id][key] = json.loads(value)
        trials = list(self._ended.values())
        all_ended = True
        for trial_id, number, state in rows:
            if trial_id in self._ended:
                continue
            known = attributes.get(trial_id, {})
            all_ended = all_ended and "ending" in known
            if "trial" in known and state != _WAITING:
                trials.append(trial_record_of(number, known))
                if "ending" in known:
                    self._ended[trial_id] = trials[-1]
            if all_ended:
                self._after = max(self._after, trial_id)
        waiting = tuple(number for _, number, state in rows if state == _WAITING)
        return sorted(trials, key=lambda trial: trial.number), waiting


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection in the block: it would go through all records again and again, and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _complete(
    trial: TrialRecord, runs: Mapping[int, str], pauses: Mapping[int, tuple[Pause, ...]], old_space: Any
) -> TrialRecord:
    """A trial with its run and its pauses; one of an older version with the configuration of the space as it was."""
    run = runs.get(trial.number)
    paused = pauses.get(trial.number, ())
    if trial.run_id != run or trial.pauses != paused:
        trial = replace(trial, run_id=run, pauses=paused)
    if trial.config is None and old_space is not None:
        space: CheckedSpace = old_space()
        trial = replace(trial, config=whole_config(space, trial.values))
    return trial

"""One search as its database has it at a moment, read by a few queries and without Optuna, to be looked at.

Optuna reads a study trial by trial as objects of its own, which takes ten times as long for thousands of trials. Trials
that have ended are read once: their records do not change, but for their runs in the tracking store.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger.base import SearchRecord, TrialRecord, whole_config
from hico_platform.search.ledger.engine import Look
from hico_platform.search.ledger.record_fields import checked_note
from hico_platform.search.ledger.serialization import readable
from hico_platform.search.ledger.study_records import (
    ANSWER,
    FIRST_SOURCE,
    NOTE,
    REPORT,
    REQUEST,
    RUN,
    RUN_OF_TRIAL,
    driver_records,
    request_records,
    search_record,
    tag_records,
    trial_record_of,
)
from hico_platform.search.ledger.undecoded import decoded, decoded_report, decoded_trial
from hico_platform.search.notes import PAUSES
from hico_platform.search.pauses import Pause, pauses_from
from hico_platform.search.requests import Request
from hico_platform.search.tags import TagRecord

_STUDY = "SELECT study_id FROM studies WHERE study_name = :name"
_ATTRIBUTES = "SELECT key, value_json FROM study_user_attributes WHERE study_id = :study"
_TRIALS = "SELECT trial_id, number, state FROM trials WHERE study_id = :study AND trial_id > :after ORDER BY number"
_OF_TRIALS = (
    "SELECT trials.trial_id, attributes.key, attributes.value_json FROM trials "
    "JOIN trial_user_attributes attributes ON attributes.trial_id = trials.trial_id "
    "WHERE trials.study_id = :study AND trials.trial_id > :after"
)
_RUNS = (
    "SELECT trials.number, runs.value_json FROM trials "
    "JOIN trial_user_attributes runs ON runs.trial_id = trials.trial_id AND runs.key = :key "
    "WHERE trials.study_id = :study AND trials.trial_id <= :until"
)
_WAITING = "WAITING"
_SCHEMA = "SELECT version_num FROM alembic_version"
SCHEMA = "v3.2.0.a"
"""Of Optuna's tables, as they are read here; what becomes of others is for Optuna to say."""


def has_known_schema(look: Look) -> bool:
    """Whether a study database has the tables that a :class:`SnapshotReader` knows."""
    return bool(look.value(_SCHEMA) == SCHEMA)


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

    def read(self, look: Look) -> Snapshot | None:
        """The search now; None where there is no search of that name.

        Raises:
            UsageError: this version cannot read its records.
        """
        study = look.value(_STUDY, name=self._name)
        rows = look.rows(_ATTRIBUTES, study=study) if study is not None else ()
        attributes = {key: decoded(value) for key, value in rows}
        if study is None or "search" not in attributes:
            return None
        if study != self._study:
            self._study, self._ended, self._after = study, {}, 0
        search = search_record(self._name, attributes)
        runs = {int(key.removeprefix(RUN)): run for key, run in attributes.items() if key.startswith(RUN)}
        pauses = pauses_from(attributes.get(f"{NOTE}{PAUSES}"))
        with readable(self._name, written_by=search.facts.code_version), uncollected():
            # The runs of trials that were read before, which may have been opened since.
            before = look.rows(_RUNS, study=study, key=RUN_OF_TRIAL, until=self._after) if self._after else ()
            runs |= {number: decoded(run) for number, run in before}
            trials, waiting = self._trials(look, study, runs, pauses)
        first = attributes["search"].get(FIRST_SOURCE)
        old_space = functools.cache(lambda: space_from(first))
        return Snapshot(
            search=search,
            trials=tuple(_complete(trial, runs, pauses, None if first is None else old_space) for trial in trials),
            waiting=waiting,
            attributes=attributes,
        )

    def _trials(
        self, look: Look, study: int, runs: dict[int, str], pauses: Mapping[int, tuple[Pause, ...]]
    ) -> tuple[list[TrialRecord], tuple[int, ...]]:
        """The trials and what waits; adds the runs that are found to ``runs``."""
        rows = look.rows(_TRIALS, study=study, after=self._after)
        attributes: dict[int, dict[str, Any]] = {trial_id: {} for trial_id, _, _ in rows}
        for trial_id, key, value in look.rows(_OF_TRIALS, study=study, after=self._after):
            of_trial = attributes.get(trial_id)
            if of_trial is None:  # begun since the query before
                continue
            if key == RUN_OF_TRIAL or trial_id not in self._ended:
                of_trial[key] = _decoded(key, value)
        trials = list(self._ended.values())
        all_ended = True
        for trial_id, number, state in rows:
            known = attributes[trial_id]
            if RUN_OF_TRIAL in known:
                runs[number] = known[RUN_OF_TRIAL]
            if trial_id in self._ended:
                continue
            all_ended = all_ended and "ending" in known
            if "trial" in known and state != _WAITING:
                trials.append(trial_record_of(number, known, run_id=runs.get(number), pauses=pauses.get(number, ())))
                if "ending" in known:
                    self._ended[trial_id] = trials[-1]
            if all_ended:
                self._after = max(self._after, trial_id)
        waiting = tuple(number for _, number, state in rows if state == _WAITING)
        return sorted(trials, key=lambda trial: trial.number), waiting


def _decoded(key: str, value: str) -> Any:
    if key.startswith(REPORT):
        return decoded_report(value)
    return decoded_trial(value) if key == "trial" else decoded(value)


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

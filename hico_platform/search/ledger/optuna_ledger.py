"""The ledger as an Optuna study, in SQLite or PostgreSQL.

A study is one search, under the search's name. Attributes hold what :mod:`~hico_platform.search.ledger.study_records`
reads; parameters and intermediate values are Optuna's own, for samplers and dashboards.

What a step writes is one transaction (:mod:`~hico_platform.search.ledger.step`), but for the beginning of an enqueued
trial: its state comes first. A kill between the two leaves a RUNNING trial with what it had, as older versions left one
in the midst of any step; opening the study completes the step.
"""

from __future__ import annotations

import functools
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import optuna

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace, space_from
from hico_platform.errors import HicoError, Problem
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger import record_fields
from hico_platform.search.ledger.attributes import study_attributes
from hico_platform.search.ledger.base import (
    Ending,
    Facts,
    Ledger,
    Origin,
    ReportRecord,
    SearchRecord,
    TrialRecord,
    TrialState,
    whole_config,
)
from hico_platform.search.ledger.deleted_study import explains_deleted_study
from hico_platform.search.ledger.draft import DraftStorage
from hico_platform.search.ledger.names import refuse_other_study, search_names, unknown_search
from hico_platform.search.ledger.record_fields import check_record, checked_note
from hico_platform.search.ledger.samplers import is_told_nothing, make_sampler
from hico_platform.search.ledger.serialization import (
    driver_to_plain,
    ending_from_plain,
    ending_to_plain,
    facts_to_plain,
    readable,
    report_to_plain,
)
from hico_platform.search.ledger.slim_trials import make_slim, whole_trials
from hico_platform.search.ledger.snapshot import SnapshotReader
from hico_platform.search.ledger.step import one_transaction
from hico_platform.search.ledger.storage import MEMORY, Storage, open_storage
from hico_platform.search.ledger.study_parameters import parameter_names, suggest, weights_of_simplexes
from hico_platform.search.ledger.study_records import (
    ANSWER,
    DRIVER,
    FIRST_SOURCE,
    NOTE,
    REPORT,
    REQUEST,
    TAG,
    check_objectives,
    driver_records,
    request_records,
    search_record,
    tag_records,
    trial_record,
)
from hico_platform.search.ledger.trial_rows import TrialRows
from hico_platform.search.ledger.trial_runs import TrialRuns
from hico_platform.search.lock import name_is_taken
from hico_platform.search.notes import PAUSES
from hico_platform.search.pauses import pauses_from
from hico_platform.search.requests import (
    Answer,
    Request,
    answer_to_plain,
    request_to_plain,
)
from hico_platform.search.tags import TagRecord
from hico_platform.sqlite_files import sqlite_url

__all__ = ["MEMORY", "Storage", "StudyLedger", "open_storage", "search_names", "sqlite_url"]

_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}


class StudyLedger(Ledger):
    """A ledger in an Optuna study."""

    def __init__(self, study: optuna.Study, storage: Storage, *, settle: bool = True) -> None:
        self._study = study
        self.storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._rows = TrialRows(storage, self._study_id)
        self._draft = study._storage = DraftStorage(study._storage, self._rows)
        self._runs = TrialRuns(storage, self._study_id)
        self._ids: dict[int, int] = {}
        self._epochs: dict[int, dict[int, float]] = {}
        self._measures: dict[int, dict[int, tuple[float, ...]]] = {}
        self._finished: set[int] = set()
        self._half_begun: list[int] = []
        self._search = search_record(study.study_name, study.user_attrs)
        self._begun = 0
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {}
        if settle:
            make_slim(storage)
            with readable(self._search.name, written_by=self._search.facts.code_version):
                self._repair()

    @classmethod
    def create(
        cls,
        storage: Storage,
        *,
        name: str,
        space: CheckedSpace,
        facts: Facts,
        limit: int,
        at_s: float,
    ) -> StudyLedger:
        """A new search.

        Raises:
            UsageError: the name is taken.
        """
        try:
            kinds = optuna.study.StudyDirection
            directions = [kinds.MAXIMIZE if one.sign > 0 else kinds.MINIMIZE for one in space.settings.objectives]
            study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        except optuna.exceptions.DuplicatedStudyError as error:
            refuse_other_study(storage, name=name)
            study = optuna.load_study(study_name=name, storage=storage)
            if "search" in study.user_attrs:
                raise name_is_taken(name, drivers=driver_records(study.user_attrs)) from error
        content = {
            "source": dict(space.source),
            "facts": facts_to_plain(facts),
            "limit": limit,
            "began_at_s": at_s,
            "key": uuid.uuid4().hex,
        }
        study.set_user_attr("search", content)
        return cls(study, storage)

    @classmethod
    def exists(cls, storage: Storage, *, name: str) -> bool:
        """Whether a search of that name was begun."""
        return name in search_names(storage)

    @classmethod
    def forget_unbegun(cls, storage: Storage, *, name: str) -> None:
        """Deletes a search without trials, whose driver could not start."""
        if cls.exists(storage, name=name) and not cls.open(storage, name=name, settle=False).trials():
            optuna.delete_study(study_name=name, storage=storage)

    @classmethod
    def delete(cls, storage: Storage, *, name: str) -> None:
        """Deletes the study of a search with all its trials; one that there is not changes nothing."""
        if cls.exists(storage, name=name):
            optuna.delete_study(study_name=name, storage=storage)

    @classmethod
    def open(cls, storage: Storage, *, name: str, settle: bool = True) -> StudyLedger:
        """An existing search; only its driver may ``settle`` it, which completes a step that a kill interrupted.

        Raises:
            UsageError: there is none of that name.
        """
        if not cls.exists(storage, name=name):
            raise unknown_search(storage, name=name)
        return cls(optuna.load_study(study_name=name, storage=storage), storage, settle=settle)

    @property
    def search(self) -> SearchRecord:
        """The space, the facts and the limit of this search."""
        return self._search

    @explains_deleted_study
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials that were begun, by number."""
        found = self._trials_by_queries()
        return self._trials_by_optuna() if found is None else found

    def _trials_by_queries(self) -> tuple[TrialRecord, ...] | None:
        """The trials from the tables, a fifth of the memory of Optuna's objects; None where these are to be read."""
        with self._rows.looking() as look:
            snapshot = None if look is None else SnapshotReader(self._search.name).read(look)
        if snapshot is None:
            return None
        late = self._runs.waiting()
        return tuple(replace(one, run_id=late[one.number]) if one.number in late else one for one in snapshot.trials)

    def _trials_by_optuna(self) -> tuple[TrialRecord, ...]:
        with whole_trials(self.storage):
            known = self.storage.get_all_trials(self._study_id, deepcopy=False)
        runs, records = self._runs.all(), []
        pauses = pauses_from(self.note(PAUSES))
        with readable(self._search.name, written_by=self._search.facts.code_version):
            for frozen in known:
                if "trial" in frozen.user_attrs:
                    record = trial_record(frozen, runs.get(frozen.number))
                    record = replace(record, pauses=pauses[frozen.number]) if frozen.number in pauses else record
                    records.append(self._with_config(record) if record.config is None else record)
        return tuple(records)

    def _with_config(self, trial: TrialRecord) -> TrialRecord:
        """A trial of an older version with its configuration, where a resume has changed the space since."""
        source = self._study.user_attrs["search"].get(FIRST_SOURCE)
        return trial if source is None else replace(trial, config=whole_config(self._first_space, trial.values))

    @functools.cached_property
    def _first_space(self) -> CheckedSpace:
        return space_from(self._study.user_attrs["search"][FIRST_SOURCE])

    @explains_deleted_study
    def begin(self, space: CheckedSpace, *, at_s: float, first: Sequence[int] = ()) -> TrialRecord:
        """Begins the next trial: one whose beginning was interrupted, one enqueued, else what the sampler proposes."""
        names = parameter_names(space, self._distributions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", category=UserWarning)  # an enqueued value that ranges no longer hold
            self._study.sampler = make_sampler(space, begun=self._begun, names=names)
            half = self._half_begun.pop(0) if self._half_begun else self._take(first)
            trial = self._study.ask() if half is None else optuna.Trial(self._study, half)
            with one_transaction(self.storage):
                values = space.values(  # what was drawn before a kill is kept
                    lambda axis: suggest(trial, axis, name=names.get(axis.name, axis.name))
                )
                origin = Origin(trial.user_attrs.get("origin", Origin.SAMPLER))
                config = whole_config(space, values)
                content = {"values": values, "origin": str(origin), "began_at_s": at_s, "config": config}
                for name in values.keys() & set(weights_of_simplexes(space)):
                    trial.set_user_attr(name, values[name])  # for dashboards: parameters are shares of what is left
                trial.set_user_attr("trial", content)
                draft = self._draft.take(trial._trial_id)
                frozen = self.storage.get_trial(trial._trial_id) if draft is None else self._rows.add(draft)
        self._index(frozen)
        state, number = TrialState.RUNNING, frozen.number
        return TrialRecord(number=number, state=state, values=values, origin=origin, began_at_s=at_s, config=config)

    def _take(self, numbers: Sequence[int]) -> int | None:
        """Begins the first of these points that still waits, as ``ask`` begins the one that has waited longest."""
        running, waiting = optuna.trial.TrialState.RUNNING, (optuna.trial.TrialState.WAITING,)
        frozen = {one.number: one for one in self._study.get_trials(deepcopy=False, states=waiting)} if numbers else {}
        for number in numbers:
            if number in frozen and self.storage.set_trial_state_values(frozen[number]._trial_id, state=running):
                return frozen[number]._trial_id
        return None

    @explains_deleted_study
    def waiting(self) -> tuple[int, ...]:
        """The numbers of enqueued points."""
        states = (optuna.trial.TrialState.WAITING,)
        return tuple(frozen.number for frozen in self._study.get_trials(deepcopy=False, states=states))

    @explains_deleted_study
    def enqueue(self, values: Mapping[str, Scalar], *, space: CheckedSpace, origin: Origin) -> None:
        """Enqueues the nearest point of the space."""
        names = parameter_names(space, self._distributions)
        drawn = {names.get(name, name): value for name, value in space.nearest_coordinates(values).items()}
        self._study.enqueue_trial(drawn, user_attrs={"origin": str(origin)}, skip_if_exists=True)

    @explains_deleted_study
    def record_report(self, number: int, report: ReportRecord) -> None:
        """Adds a report, once an epoch."""
        if number in self._finished or report.epoch in self._epochs[number]:
            return
        trial_id = self._ids[number]
        with self._step():
            self._rows.set_attribute(trial_id, f"{REPORT}{report.epoch}", report_to_plain(report))
            self._rows.set_reported(trial_id, report.epoch, report.value)
        self._epochs[number][report.epoch] = report.value
        self._measures[number][report.epoch] = report.measures

    @explains_deleted_study
    def record_run(self, number: int, run_id: str) -> None:
        """Notes the run with the trial: with the next write, a heartbeat at the latest, or at once after its end."""
        self._runs.add(number, self._ids[number], run_id)
        if number in self._finished:
            with self._step():
                pass

    @explains_deleted_study
    def record_ending(self, number: int, ending: Ending) -> None:
        """Ends a trial, once: the ending first, the state last."""
        if number in self._finished:
            return
        with self._step():
            self._rows.set_attribute(self._ids[number], "ending", ending_to_plain(ending))
            self._tell(number, ending)
        self._finished.add(number)

    @explains_deleted_study
    def set_note(self, key: str, value: Any) -> None:
        """Keeps a plain value with the search."""
        with self._step():
            self._study.set_user_attr(f"{NOTE}{key}", value)

    @explains_deleted_study
    def note(self, key: str) -> Any:
        """A value that was kept, or nothing."""
        found = study_attributes(self.storage, self._study_id, prefixes=(f"{NOTE}{key}",))
        if not found:
            self.storage.get_study_name_from_id(self._study_id)  # raises where the study was deleted
        with readable(self._search.name, written_by=self._search.facts.code_version):
            return checked_note(key, found.get(f"{NOTE}{key}"))

    @explains_deleted_study
    def requests(self) -> tuple[Request, ...]:
        """What people asked of this search; a driver looks every few seconds, so nothing else is read."""
        found = study_attributes(self.storage, self._study_id, prefixes=(REQUEST, ANSWER))
        return request_records(found)

    @explains_deleted_study
    def record_request(self, request: Request) -> None:
        """Adds a request, as an attribute of its own."""
        self._study.set_user_attr(f"{REQUEST}{request.key}", request_to_plain(request))

    @explains_deleted_study
    def record_answer(self, key: str, answer: Answer) -> None:
        """Answers a request."""
        self._study.set_user_attr(f"{ANSWER}{key}", answer_to_plain(answer))

    @explains_deleted_study
    def tags(self) -> tuple[TagRecord, ...]:
        """The tags of this search, by name."""
        return tag_records(self._study.user_attrs)

    @explains_deleted_study
    def set_tag(self, tag: TagRecord) -> None:
        """Tags the search."""
        self._study.set_user_attr(f"{TAG}{tag.name}", {"by": tag.by, "at_s": tag.at_s})

    @explains_deleted_study
    def remove_tag(self, name: str) -> None:
        """Takes a tag away: Optuna removes no attribute, so an empty one stays."""
        if f"{TAG}{name}" in self._study.user_attrs:
            self._study.set_user_attr(f"{TAG}{name}", None)

    @explains_deleted_study
    def drivers(self) -> tuple[DriverRecord, ...]:
        """The processes that ran this search, in order."""
        return driver_records(self._study.user_attrs)

    @explains_deleted_study
    def record_driver(self, driver: DriverRecord) -> None:
        """Adds the process that runs this search from now on, once; nothing that is there is written over."""
        before = self.drivers()
        if before[-1:] != (driver,):
            self._study.set_user_attr(f"{DRIVER}{len(before)}", driver_to_plain(driver))

    def reopen(self, *, source: Mapping[str, Any], limit: int) -> None:
        """Takes over a changed space and limit; raises UsageError where the objectives are others."""
        check_objectives(self._search.source, source)
        content = dict(self._study.user_attrs["search"])
        if dict(source) != content["source"] and any(trial.config is None for trial in self.trials()):
            content.setdefault(FIRST_SOURCE, content["source"])
        content |= {"source": dict(source), "limit": limit}
        reopened = search_record(self._search.name, {"search": content})  # raises where it could not be read again
        self._study.set_user_attr("search", content)
        self._search = reopened

    @contextmanager
    def _step(self) -> Iterator[None]:
        """One transaction, which takes along the runs that wait to be written."""
        with one_transaction(self.storage):
            yield
            runs = self._runs.write()
        self._runs.written(runs)

    def _repair(self) -> None:
        """Reads the study, and completes a step that a kill interrupted."""
        for frozen in self._study.get_trials(deepcopy=False):
            self._index(frozen)
            if frozen.state.is_finished():
                self._finished.add(frozen.number)
                continue
            if frozen.state == optuna.trial.TrialState.RUNNING and "trial" not in frozen.user_attrs:
                self._half_begun.append(frozen._trial_id)
            for key, plain in frozen.user_attrs.items():
                epoch = plain["epoch"] if key.startswith(REPORT) else None
                if epoch is not None and epoch not in frozen.intermediate_values:
                    self.storage.set_trial_intermediate_value(frozen._trial_id, epoch, plain["value"])
                    self._epochs[frozen.number][epoch] = plain["value"]
            if "ending" in frozen.user_attrs:
                record = f"trial {frozen.number}, ending"
                self._tell(frozen.number, ending_from_plain(frozen.user_attrs["ending"], record=record))
                self._finished.add(frozen.number)

    def _index(self, frozen: optuna.trial.FrozenTrial) -> None:
        self._ids[frozen.number] = frozen._trial_id
        self._epochs[frozen.number] = dict(frozen.intermediate_values)
        reports = [plain for key, plain in frozen.user_attrs.items() if key.startswith(REPORT)]
        for plain in reports:
            check_record(f"trial {frozen.number}, report", plain, record_fields.REPORT)
        self._measures[frozen.number] = {plain["epoch"]: tuple(plain.get("measures", ())) for plain in reports}
        self._distributions |= frozen.distributions
        self._begun += "trial" in frozen.user_attrs

    def _tell(self, number: int, ending: Ending) -> None:
        values, state = self._values(number, ending), _STATES[ending.state]
        if is_told_nothing(self._study.sampler) and self._rows.end(self._ids[number], state, values):
            return
        self._study.tell(
            number, values if ending.state is TrialState.COMPLETE else None, state=state, skip_if_finished=True
        )

    def _values(self, number: int, ending: Ending) -> tuple[float, ...]:
        """What Optuna has as the values of a trial that ended so: of one that was stopped, its last report."""
        epochs, several = self._epochs[number], len(self._study.directions) > 1
        if ending.state is TrialState.COMPLETE and not epochs:
            raise HicoError(
                Problem(
                    field=f"trial {number}",
                    rule="at least one report of a complete trial",
                    value=0,
                    remedy="report it: this is an error of hico-platform",
                )
            )
        if ending.state is TrialState.COMPLETE and several:
            return self._measures[number][max(epochs)]
        if ending.state is TrialState.FAILED or several or not epochs:
            return ()
        return (epochs[max(epochs)],)

"""The ledger as an Optuna study, in SQLite or PostgreSQL.

A study is one search, under the search's name. Its user attributes hold ``search`` (space, facts, limit),
``driver:N`` (the processes that ran it, in order), ``run:N`` (the tracking run of trial N) and notes; a trial's
hold ``trial`` (values, origin), ``report:EPOCH`` and ``ending``; parameters and intermediate values are Optuna's
own, for samplers and dashboards to read.

A trial's state changes last: a kill between two writes leaves a RUNNING trial with what it had, and opening
the study completes the half-done step.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

import optuna

from hico_platform.config.parameters import Choice, Range
from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace, Objective, space_from
from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.search.drivers import DriverRecord
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
from hico_platform.search.ledger.names import other_study_names, refuse_other_study, search_names
from hico_platform.search.ledger.samplers import distribution_of, make_sampler
from hico_platform.search.ledger.serialization import (
    driver_from_plain,
    driver_to_plain,
    ending_from_plain,
    ending_to_plain,
    facts_from_plain,
    facts_to_plain,
    readable,
    report_from_plain,
    report_to_plain,
)
from hico_platform.search.ledger.storage import MEMORY, Storage, open_storage
from hico_platform.search.lock import name_is_taken
from hico_platform.sqlite_files import sqlite_url

__all__ = ["MEMORY", "Storage", "StudyLedger", "driver_lock", "open_storage", "search_names", "sqlite_url"]

Method = TypeVar("Method", bound=Callable[..., Any])

_STATES = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}
_NOTE, _RUN, _REPORT, _DRIVER = "note:", "run:", "report:", "driver:"
# The space before its first change by a resume, kept for trials of older versions, which have no configuration.
_FIRST_SOURCE = "first_source"


@contextmanager
def driver_lock(storage: Storage, *, name: str) -> Iterator[None]:
    """Holds the search ``name`` in a PostgreSQL database, for drivers that share no home.

    The server gives the lock back when the driver's connection ends. Other databases lie in a home, which has
    a lock of its own.

    Raises:
        UsageError: another driver holds it.
    """
    if not isinstance(storage, optuna.storages.RDBStorage) or storage.engine.dialect.name != "postgresql":
        yield
        return
    key = int.from_bytes(hashlib.sha256(f"hico {name}".encode()).digest()[:8], "big", signed=True)
    with storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar():
            raise UsageError(
                Problem(
                    field="name",
                    rule="a search that is not running already",
                    value=name,
                    remedy="a driver on another machine holds it; wait for it, end it, or give another --name",
                )
            )
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")


def _while_it_exists(method: Method) -> Method:
    """Names a study that was deleted while its search runs (by Optuna's command or dashboard): a KeyError to Optuna."""

    @functools.wraps(method)
    def checked(self: StudyLedger, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except KeyError as error:
            if self.search.name in search_names(self._storage):
                raise
            raise HicoError(
                Problem(
                    field="study",
                    rule=f"the study {self.search.name} in the database for as long as its search runs",
                    value="deleted",
                    remedy="restore the database from a backup and go on with --resume, or begin the search anew",
                )
            ) from error

    return cast(Method, checked)


class StudyLedger(Ledger):
    """A ledger in an Optuna study."""

    def __init__(self, study: optuna.Study, storage: Storage, *, settle: bool = True) -> None:
        self._study = study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._ids: dict[int, int] = {}
        self._epochs: dict[int, dict[int, float]] = {}
        self._measures: dict[int, dict[int, tuple[float, ...]]] = {}
        self._over: set[int] = set()
        self._half_begun: list[int] = []
        self._search = _search_record(study.study_name, study.user_attrs)
        self._begun = 0
        self._known: dict[str, optuna.distributions.BaseDistribution] = {}
        if settle:
            self._settle()

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
                raise name_is_taken(name, drivers=_driver_records(study.user_attrs)) from error
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
        """Drops a search that got no further than its name: its driver could not start, and nothing is lost."""
        if cls.exists(storage, name=name) and not cls.open(storage, name=name, settle=False).trials():
            optuna.delete_study(study_name=name, storage=storage)

    @classmethod
    def open(cls, storage: Storage, *, name: str, settle: bool = True) -> StudyLedger:
        """An existing search; only its driver may ``settle`` what a kill left half-done.

        Raises:
            UsageError: there is none of that name.
        """
        if not cls.exists(storage, name=name):
            names = ", ".join(search_names(storage)) or "there are none yet"
            other = "a study that this package did not make; " if name in other_study_names(storage) else ""
            raise UsageError(
                Problem(field="name", rule="the name of a search", value=name, remedy=f"{other}searches here: {names}")
            )
        return cls(optuna.load_study(study_name=name, storage=storage), storage, settle=settle)

    @property
    def search(self) -> SearchRecord:
        """The space, the facts and the limit of this search."""
        return self._search

    @_while_it_exists
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials that were begun, by number."""
        runs = self._study.user_attrs
        records, known = [], self._study.get_trials(deepcopy=False)
        with readable(self._search.name, written_by=self._search.facts.code_version):
            for frozen in known:
                if "trial" in frozen.user_attrs:
                    record = _trial_record(frozen, runs.get(f"{_RUN}{frozen.number}"))
                    records.append(self._with_config(record) if record.config is None else record)
        return tuple(records)

    def _with_config(self, trial: TrialRecord) -> TrialRecord:
        """A trial of an older version by the space that it was drawn from, where a resume has changed that since."""
        source = self._study.user_attrs["search"].get(_FIRST_SOURCE)
        return trial if source is None else replace(trial, config=whole_config(self._first_space, trial.values))

    @functools.cached_property
    def _first_space(self) -> CheckedSpace:
        return space_from(self._study.user_attrs["search"][_FIRST_SOURCE])

    @_while_it_exists
    def begin(self, space: CheckedSpace, *, at_s: float) -> TrialRecord:
        """Begins the next trial: one whose beginning was cut off, one in line, else what the sampler proposes."""
        names = self._names(space)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", category=UserWarning)  # an enqueued value that ranges no longer hold
            self._study.sampler = make_sampler(space, begun=self._begun, names=names)
            half = self._half_begun.pop(0) if self._half_begun else None
            trial = self._study.ask() if half is None else optuna.Trial(self._study, half)
            values = space.values(  # what was drawn before a kill is kept
                lambda axis: _draw(trial, axis, name=names.get(axis.name, axis.name))
            )
        origin = Origin(trial.user_attrs.get("origin", Origin.SAMPLER))
        config = whole_config(space, values)
        content = {"values": values, "origin": str(origin), "began_at_s": at_s, "config": config}
        trial.set_user_attr("trial", content)
        self._learn(self._storage.get_trial(trial._trial_id))
        return TrialRecord(
            number=trial.number,
            state=TrialState.RUNNING,
            values=values,
            origin=origin,
            began_at_s=at_s,
            config=config,
        )

    @_while_it_exists
    def enqueue(self, values: Mapping[str, Scalar], *, space: CheckedSpace, origin: Origin) -> None:
        """Puts the nearest point that the space holds in line."""
        names = self._names(space)
        drawn = {names.get(name, name): value for name, value in space.nearest(values).items()}
        self._study.enqueue_trial(drawn, user_attrs={"origin": str(origin)}, skip_if_exists=True)

    @_while_it_exists
    def record_report(self, number: int, report: ReportRecord) -> None:
        """Adds a report, once an epoch."""
        if number in self._over or report.epoch in self._epochs[number]:
            return
        trial_id = self._ids[number]
        self._storage.set_trial_user_attr(trial_id, f"{_REPORT}{report.epoch}", report_to_plain(report))
        self._storage.set_trial_intermediate_value(trial_id, report.epoch, report.value)
        self._epochs[number][report.epoch] = report.value
        self._measures[number][report.epoch] = report.measures

    @_while_it_exists
    def record_run(self, number: int, run_id: str) -> None:
        """Notes the run with the study, where it can be added after the trial's end too."""
        self._study.set_user_attr(f"{_RUN}{number}", run_id)

    @_while_it_exists
    def record_ending(self, number: int, ending: Ending) -> None:
        """Ends a trial, once: the ending first, the state last."""
        if number in self._over:
            return
        self._storage.set_trial_user_attr(self._ids[number], "ending", ending_to_plain(ending))
        self._tell(number, ending)

    @_while_it_exists
    def set_note(self, key: str, value: Any) -> None:
        """Keeps a plain value with the search."""
        self._study.set_user_attr(f"{_NOTE}{key}", value)

    @_while_it_exists
    def note(self, key: str) -> Any:
        """A value that was kept, or nothing."""
        return self._study.user_attrs.get(f"{_NOTE}{key}")

    @_while_it_exists
    def drivers(self) -> tuple[DriverRecord, ...]:
        """The processes that ran this search, in order."""
        return _driver_records(self._study.user_attrs)

    @_while_it_exists
    def record_driver(self, driver: DriverRecord) -> None:
        """Adds the process that runs this search from now on, once; nothing that is there is written over."""
        before = self.drivers()
        if before[-1:] != (driver,):
            self._study.set_user_attr(f"{_DRIVER}{len(before)}", driver_to_plain(driver))

    def reopen(self, *, source: Mapping[str, Any], limit: int) -> None:
        """Takes over a changed space and limit; raises UsageError where the objectives are others."""
        _must_have_objectives(self._search.source, source)
        content = dict(self._study.user_attrs["search"])
        if dict(source) != content["source"] and any(trial.config is None for trial in self.trials()):
            content.setdefault(_FIRST_SOURCE, content["source"])
        content |= {"source": dict(source), "limit": limit}
        self._study.set_user_attr("search", content)
        self._search = _search_record(self._search.name, {"search": content})

    def _settle(self) -> None:
        """Learns what there is, and finishes what a kill cut off."""
        for frozen in self._study.get_trials(deepcopy=False):
            self._learn(frozen)
            if frozen.state.is_finished():
                self._over.add(frozen.number)
                continue
            if frozen.state == optuna.trial.TrialState.RUNNING and "trial" not in frozen.user_attrs:
                self._half_begun.append(frozen._trial_id)
            for key, plain in frozen.user_attrs.items():
                epoch = plain["epoch"] if key.startswith(_REPORT) else None
                if epoch is not None and epoch not in frozen.intermediate_values:
                    self._storage.set_trial_intermediate_value(frozen._trial_id, epoch, plain["value"])
                    self._epochs[frozen.number][epoch] = plain["value"]
            if "ending" in frozen.user_attrs:
                self._tell(frozen.number, ending_from_plain(frozen.user_attrs["ending"]))

    def _learn(self, frozen: optuna.trial.FrozenTrial) -> None:
        self._ids[frozen.number] = frozen._trial_id
        self._epochs[frozen.number] = dict(frozen.intermediate_values)
        reports = [plain for key, plain in frozen.user_attrs.items() if key.startswith(_REPORT)]
        self._measures[frozen.number] = {plain["epoch"]: tuple(plain.get("measures", ())) for plain in reports}
        self._known |= frozen.distributions
        self._begun += "trial" in frozen.user_attrs

    def _names(self, space: CheckedSpace) -> dict[str, str]:
        """Names of coordinates whose choices or scale changed since the search began.

        A study holds a parameter of one name to one set of choices and one scale. A changed one gets a name of
        its own (``model.encoder@2``), and the sampler learns it anew; a range may change under its name.
        """
        names = {}
        for parameter in space.parameters:
            for axis in parameter.coordinates():
                name, variant = axis.name, 1
                while name in self._known and not _fits(self._known[name], distribution_of(axis)):
                    variant += 1
                    name = f"{axis.name}@{variant}"
                if variant > 1:
                    names[axis.name] = name
        return names

    def _tell(self, number: int, ending: Ending) -> None:
        values: float | tuple[float, ...] | None = None
        if ending.state is TrialState.COMPLETE:
            epochs = self._epochs[number]
            if not epochs:
                raise HicoError(f"trial {number} ended without a report; it cannot be complete")
            several = len(self._study.directions) > 1
            values = self._measures[number][max(epochs)] if several else epochs[max(epochs)]
        self._study.tell(number, values, state=_STATES[ending.state], skip_if_finished=True)
        self._over.add(number)


def _draw(trial: optuna.Trial, axis: Range | Choice, *, name: str) -> Scalar:
    if isinstance(axis, Choice):
        return cast(Scalar, trial.suggest_categorical(name, axis.choices))
    if axis.integer:
        return trial.suggest_int(name, int(axis.low), int(axis.high), step=int(axis.step or 1), log=axis.log)
    return trial.suggest_float(name, axis.low, axis.high, step=axis.step, log=axis.log)


def _fits(old: optuna.distributions.BaseDistribution, new: optuna.distributions.BaseDistribution) -> bool:
    try:
        optuna.distributions.check_distribution_compatibility(old, new)
    except ValueError:
        return False
    return True


def _must_have_objectives(was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A study keeps its objectives: its trials have a value for each."""
    before, after = (list(source.get("objectives", [Objective.KNN])) for source in (was, now))
    if before != after:
        raise UsageError(
            Problem(
                field="objectives",
                rule=f"the same as when the search began: {', '.join(before)}",
                value=", ".join(after),
                remedy="resume with these, or begin another search by --name, with warm_start",
            )
        )


def _search_record(name: str, attributes: Mapping[str, Any]) -> SearchRecord:
    content = attributes["search"]
    facts = content.get("facts") if isinstance(content, Mapping) else None
    with readable(name, written_by=facts.get("code_version") if isinstance(facts, Mapping) else None):
        return SearchRecord(
            name=name,
            source=content["source"],
            facts=facts_from_plain(content["facts"]),
            limit=content["limit"],
            began_at_s=content["began_at_s"],
            key=content.get("key", ""),
        )


def _driver_records(attributes: Mapping[str, Any]) -> tuple[DriverRecord, ...]:
    numbered = itertools.takewhile(attributes.__contains__, (f"{_DRIVER}{number}" for number in itertools.count()))
    return tuple(driver_from_plain(attributes[key]) for key in numbered)


def _trial_record(frozen: optuna.trial.FrozenTrial, run_id: str | None) -> TrialRecord:
    attributes = frozen.user_attrs
    reports = [report_from_plain(value) for key, value in attributes.items() if key.startswith(_REPORT)]
    ending = ending_from_plain(attributes["ending"]) if "ending" in attributes else None
    content = attributes["trial"]
    return TrialRecord(
        number=frozen.number,
        state=TrialState.RUNNING if ending is None else ending.state,
        values=content["values"],
        origin=Origin(content["origin"]),
        began_at_s=content["began_at_s"],
        config=content.get("config"),
        reports=tuple(sorted(reports, key=lambda report: report.epoch)),
        ending=ending,
        run_id=run_id,
    )

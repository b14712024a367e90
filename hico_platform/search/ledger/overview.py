"""All searches of a database at once, by a few queries: what a list shows, without reading every trial.

Optuna reads a study trial by trial with all that was ever kept of it, which takes seconds for thousands of trials. The
numbers of a list are few, so the database counts and compares here; only what it cannot know (the reports of the best
trials, why trials failed, trials that several drivers worked on) is read as records.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hico_platform.errors import HicoError
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger import record_fields
from hico_platform.search.ledger.base import SearchRecord, TrialState
from hico_platform.search.ledger.engine import POSTGRESQL, Look
from hico_platform.search.ledger.record_fields import check_record, checked_note
from hico_platform.search.ledger.serialization import ending_from_plain, readable, report_from_plain
from hico_platform.search.ledger.study_records import (
    DRIVER,
    NOTE,
    REPORT,
    TAG,
    driver_records,
    search_record,
    tag_records,
)
from hico_platform.search.notes import PAUSES, SESSIONS
from hico_platform.search.pauses import Pause, pauses_from
from hico_platform.search.tags import TagRecord

_STATES = {
    "COMPLETE": TrialState.COMPLETE,
    "PRUNED": TrialState.PRUNED,
    "FAIL": TrialState.FAILED,
    "RUNNING": TrialState.RUNNING,
}
_AT_ONCE = 500
"""Ids in one query: databases limit the number of parameters."""


@dataclass(frozen=True, kw_only=True)
class BestScore:
    """The trial that is best so far: its value of the first objective at its last report."""

    number: int
    epoch: int
    value: float
    standard_error: float | None


@dataclass(frozen=True, kw_only=True)
class Span:
    """When a trial ran: its beginning, its reports where they matter, and its end; Unix times.

    The last is the end only of a trial that has ``ended``.
    """

    marks: tuple[float, ...]
    ended: bool
    pauses: tuple[Pause, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SearchOverview:
    """One search in a few numbers, or why it cannot be read.

    Attributes:
        name: of the study.
        search: its record; None where it cannot be read.
        problem: why it cannot be read, in one line.
        counts: trials in each recorded state.
        excused: failed trials that do not count for ``resources.max_failures``.
        best: the best trial so far.
        spans: when each trial ran.
        notes: what the search keeps, by key.
        drivers: the processes that ran it, in order.
        tags: what people tagged it with.
    """

    name: str
    search: SearchRecord | None
    problem: str | None = None
    counts: Mapping[TrialState, int] = field(default_factory=dict)
    excused: int = 0
    best: BestScore | None = None
    spans: tuple[Span, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    drivers: tuple[DriverRecord, ...] = ()
    tags: tuple[TagRecord, ...] = ()


def search_overviews(look: Look) -> tuple[SearchOverview, ...]:
    """Every search of a study database, by name; studies that something else made are left out.

    One that cannot be read keeps no other from being listed.
    """
    attributes = _study_attributes(look)
    found = _trials(look)
    searches, trials, unreadable = dict[int, SearchRecord](), dict[int, list[_Row]](), list[SearchOverview]()
    for study, (name, content) in attributes.items():
        if "search" in content:
            try:
                searches[study] = search_record(name, content)
                with readable(name, written_by=searches[study].facts.code_version):
                    trials[study] = [_row(*columns) for columns in found.get(study, ())]
            except HicoError as error:
                unreadable.append(_unreadable(name, error))
    best = _best_trials(look, trials)
    reports = _reports(look, [row.trial_id for row in best.values()])

    def overview(study: int) -> SearchOverview:
        name, content = attributes[study]
        try:
            with readable(name, written_by=searches[study].facts.code_version):
                scored = None if study not in best else _score(best[study], reports.get(best[study].trial_id, ()))
                return _overview(look, searches[study], content, trials[study], scored)
        except HicoError as error:
            return _unreadable(name, error)

    return tuple(sorted((*map(overview, trials), *unreadable), key=lambda one: one.name))


def _unreadable(name: str, error: HicoError) -> SearchOverview:
    return SearchOverview(name=name, search=None, problem=str(error.problems[0]))


@dataclass(frozen=True, kw_only=True)
class _Row:
    trial_id: int
    number: int
    state: TrialState
    began_at_s: float
    ended_at_s: float | None
    value: float | None
    excused: bool = False


def _overview(
    look: Look,
    search: SearchRecord,
    content: Mapping[str, Any],
    trials: Sequence[_Row],
    best: BestScore | None,
) -> SearchOverview:
    named = ((key.removeprefix(NOTE), value) for key, value in content.items() if key.startswith(NOTE))
    notes = {key: checked_note(key, value) for key, value in named}
    counts = {state: sum(trial.state is state for trial in trials) for state in TrialState}
    return SearchOverview(
        name=search.name,
        search=search,
        counts=counts,
        excused=sum(trial.excused for trial in trials),
        best=best,
        spans=_spans(look, trials, notes=notes),
        notes=notes,
        drivers=driver_records(content),
        tags=tag_records(content),
    )


def _study_attributes(look: Look) -> dict[int, tuple[str, dict[str, Any]]]:
    """Each study's name and attributes, without the runs of its trials, of which there are thousands."""
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for study, name in look.rows("SELECT study_id, study_name FROM studies"):
        found[study] = (name, {})
    rows = look.rows(
        "SELECT study_id, key, value_json FROM study_user_attributes "
        "WHERE key = 'search' OR key LIKE :notes OR key LIKE :drivers OR key LIKE :tags",
        notes=f"{NOTE}%",
        drivers=f"{DRIVER}%",
        tags=f"{TAG}%",
    )
    for study, key, value in rows:
        if study in found:  # else it was begun since the query before
            found[study][1][key] = json.loads(value)
    return found


def _trials(look: Look) -> dict[int, list[tuple[Any, ...]]]:
    """The columns of each study's trials that were begun: what :func:`_row` reads."""
    began = _value(look, "begun.value_json", "began_at_s")
    query = (
        f"SELECT trials.study_id, trials.trial_id, trials.number, trials.state, {began}, ended.value_json, "
        "trial_values.value FROM trials "
        "JOIN trial_user_attributes begun ON begun.trial_id = trials.trial_id AND begun.key = 'trial' "
        "LEFT JOIN trial_user_attributes ended ON ended.trial_id = trials.trial_id AND ended.key = 'ending' "
        "LEFT JOIN trial_values ON trial_values.trial_id = trials.trial_id AND trial_values.objective = 0"
    )
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for study, *columns in look.rows(query):
        found[study].append(tuple(columns))
    return found


def _row(trial_id: int, number: int, state: str, began_at_s: Any, ended: str | None, value: float | None) -> _Row:
    """A trial with its first and last moment, and its value if it is complete."""
    record = f"trial {number}, ending"
    ending = None if ended is None else ending_from_plain(json.loads(ended), record=record)
    content = {"began_at_s": json.loads(began_at_s) if isinstance(began_at_s, str) else began_at_s}
    check_record(f"trial {number}", content, record_fields.TRIAL)
    return _Row(
        trial_id=trial_id,
        number=number,
        # A driver that was killed between the two writes has left the state behind the ending.
        state=_STATES.get(state, TrialState.RUNNING) if ending is None else ending.state,
        began_at_s=content["began_at_s"],
        ended_at_s=None if ending is None else ending.at_s,
        value=value,
        excused=ending is not None and ending.excused,
    )


def _best_trials(look: Look, trials: Mapping[int, Sequence[_Row]]) -> dict[int, _Row]:
    """The best trial of each study, by the rule of :func:`~hico_platform.search.ledger.base.best_trial`."""
    complete = {study: [row for row in rows if row.state is TrialState.COMPLETE] for study, rows in trials.items()}
    without = [row for study, rows in trials.items() if not complete[study] for row in rows]
    last = _last_reports(look, [row for row in without if row.state is not TrialState.FAILED])
    chosen: dict[int, _Row] = {}
    for study, rows in trials.items():
        candidates = [row for row in complete[study] if row.value is not None and not math.isnan(row.value)]
        if candidates:
            chosen[study] = max(candidates, key=lambda row: (row.value or 0.0, -row.number))
            continue
        reported = [row for row in rows if row.trial_id in last]
        if reported:
            chosen[study] = max(reported, key=lambda row: (*last[row.trial_id], -row.number))
    return chosen


def _score(row: _Row, contents: Sequence[str]) -> BestScore | None:
    """The last of a trial's reports."""
    reports = [report_from_plain(json.loads(content)) for content in contents]
    last = max(reports, key=lambda one: one.epoch, default=None)
    if last is None:
        return None
    return BestScore(number=row.number, epoch=last.epoch, value=last.value, standard_error=last.standard_error)


def _last_reports(look: Look, rows: Sequence[_Row]) -> dict[int, tuple[int, float]]:
    """Epoch and value of the last report of each trial that has one."""
    found: dict[int, tuple[int, float]] = {}
    query = "SELECT trial_id, step, intermediate_value FROM trial_intermediate_values WHERE trial_id IN :ids"
    for ids in _batches([row.trial_id for row in rows]):
        for trial_id, epoch, value in look.rows(query, ids=ids):
            if epoch >= found.get(trial_id, (0, 0.0))[0]:
                found[trial_id] = (epoch, 0.0 if value is None else value)
    return found


def _reports(look: Look, ids: Sequence[int]) -> dict[int, list[str]]:
    """The reports of a few trials, as the database has them."""
    query = "SELECT trial_id, value_json FROM trial_user_attributes WHERE trial_id IN :ids AND key LIKE :reports"
    found: dict[int, list[str]] = defaultdict(list)
    for batch in _batches(ids):
        for trial_id, content in look.rows(query, ids=batch, reports=f"{REPORT}%"):
            found[trial_id].append(content)
    return found


def _spans(look: Look, trials: Sequence[_Row], *, notes: Mapping[str, Any]) -> tuple[Span, ...]:
    """When trials ran; the reports are read of those alone during which another driver began."""
    sessions, pauses = notes.get(SESSIONS) or (), pauses_from(notes.get(PAUSES))
    several = [
        row
        for row in trials
        if any(row.began_at_s < session <= (row.ended_at_s or math.inf) for session in sessions)
        or row.ended_at_s is None
    ]
    reports = _reports(look, [row.trial_id for row in several])
    return tuple(
        Span(
            marks=(
                row.began_at_s,
                *sorted(report_from_plain(json.loads(one)).at_s for one in reports.get(row.trial_id, ())),
                *(() if row.ended_at_s is None else (row.ended_at_s,)),
            ),
            ended=row.ended_at_s is not None,
            pauses=pauses.get(row.number, ()),
        )
        for row in trials
    )


def _value(look: Look, column: str, key: str) -> str:
    """A value in a column of JSON, in each database's words: PostgreSQL gives a text; the whole may be long."""
    if look.dialect == POSTGRESQL:
        return f"CAST(CAST({column} AS json) -> '{key}' AS text)"
    return f"json_extract({column}, '$.{key}')"


def _batches(ids: Sequence[int]) -> list[list[int]]:
    return [list(ids[begin : begin + _AT_ONCE]) for begin in range(0, len(ids), _AT_ONCE)]

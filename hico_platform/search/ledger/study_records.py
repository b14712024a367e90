"""Reads the records of a search from the attributes of an Optuna study and of its trials.

A study's user attributes hold ``search`` (space, facts, limit), ``driver:N`` (the processes that ran it, in order),
``tag:NAME``, ``request:KEY``, ``answer:KEY`` and ``note:KEY``. A trial's hold ``trial`` (values, origin), ``run`` (its
run in the tracking store; older versions: ``run:N`` of the study), ``report:EPOCH`` and ``ending``. All of these keys
are persisted.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hico_platform.config.space import Objective
from hico_platform.errors import Problem, UsageError
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger import record_fields
from hico_platform.search.ledger.base import Origin, SearchRecord, TrialRecord, TrialState
from hico_platform.search.ledger.record_fields import check_record
from hico_platform.search.ledger.serialization import (
    driver_from_plain,
    ending_from_plain,
    facts_from_plain,
    readable,
    report_from_plain,
)
from hico_platform.search.pauses import Pause
from hico_platform.search.requests import Request, request_from_plain
from hico_platform.search.tags import TagRecord

if TYPE_CHECKING:  # a list of searches does without Optuna
    import optuna

NOTE, RUN, REPORT, DRIVER, TAG = "note:", "run:", "report:", "driver:", "tag:"
REQUEST, ANSWER = "request:", "answer:"
"""Beginnings of the names of attributes."""
RUN_OF_TRIAL = "run"
FIRST_SOURCE = "first_source"
"""In ``search``: the space before its first change by a resume, for trials of older versions, which have no
configuration."""


def search_record(name: str, attributes: Mapping[str, Any]) -> SearchRecord:
    """The search that a study's attributes describe.

    Raises:
        UsageError: this version cannot read them.
    """
    content = attributes["search"]
    facts = content.get("facts") if isinstance(content, Mapping) else None
    with readable(name, written_by=facts.get("code_version") if isinstance(facts, Mapping) else None):
        check_record("search", content, record_fields.SEARCH)
        return SearchRecord(
            name=name,
            source=content["source"],
            facts=facts_from_plain(content["facts"]),
            limit=content["limit"],
            began_at_s=content["began_at_s"],
            key=content.get("key", ""),
            former_names=tuple(str(former) for former in content.get("former_names", ())),
        )


def driver_records(attributes: Mapping[str, Any]) -> tuple[DriverRecord, ...]:
    """The drivers in a study's attributes, in order."""
    numbered = itertools.takewhile(attributes.__contains__, (f"{DRIVER}{number}" for number in itertools.count()))
    return tuple(driver_from_plain(attributes[key]) for key in numbered)


def trial_record(frozen: optuna.trial.FrozenTrial, run_id: str | None) -> TrialRecord:
    """The trial that an Optuna trial describes; ``run_id`` is its run in the tracking store."""
    return trial_record_of(frozen.number, frozen.user_attrs, run_id=run_id)


def trial_record_of(
    number: int, attributes: Mapping[str, Any], *, run_id: str | None = None, pauses: tuple[Pause, ...] = ()
) -> TrialRecord:
    """The trial of that number that these attributes describe."""
    of, content = f"trial {number}", attributes["trial"]
    check_record(of, content, record_fields.TRIAL)
    reports = [
        report_from_plain(value, record=f"{of}, report {key.removeprefix(REPORT)}")
        for key, value in attributes.items()
        if key.startswith(REPORT)
    ]
    ending = ending_from_plain(attributes["ending"], record=f"{of}, ending") if "ending" in attributes else None
    return TrialRecord(
        number=number,
        state=TrialState.RUNNING if ending is None else ending.state,
        values=content["values"],
        origin=Origin(content["origin"]),
        began_at_s=content["began_at_s"],
        config=content.get("config"),
        reports=tuple(sorted(reports, key=lambda report: report.epoch)),
        ending=ending,
        run_id=run_id,
        pauses=pauses,
    )


def request_records(attributes: Mapping[str, Any]) -> tuple[Request, ...]:
    """What people asked of a search, in order, with the answers."""
    named = ((key.removeprefix(REQUEST), attributes[key]) for key in sorted(attributes) if key.startswith(REQUEST))
    requests = (request_from_plain(key, plain, attributes.get(f"{ANSWER}{key}")) for key, plain in named)
    return tuple(request for request in requests if request is not None)


def tag_records(attributes: Mapping[str, Any]) -> tuple[TagRecord, ...]:
    """The tags of a search, by name."""
    named = ((key.removeprefix(TAG), attributes[key]) for key in sorted(attributes) if key.startswith(TAG))
    found = (TagRecord.from_plain(name, plain) for name, plain in named)
    return tuple(tag for tag in found if tag is not None)


def check_objectives(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Checks that a space which changed keeps its objectives, since trials have a value for each.

    Raises:
        UsageError: it does not.
    """
    old, new = (list(source.get("objectives", [Objective.KNN])) for source in (before, now))
    if old != new:
        raise UsageError(
            Problem(
                field="objectives",
                rule=f"the same as when the search began: {', '.join(old)}",
                value=", ".join(new),
                remedy="resume with these, or begin another search by --name, with warm_start",
            )
        )

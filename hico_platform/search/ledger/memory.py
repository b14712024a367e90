"""A ledger in memory, for tests and simulations; it samples uniformly at random."""

from __future__ import annotations

import dataclasses
import functools
import random
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from hico_platform.config.parameters import uniform
from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace
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
from hico_platform.search.notes import PAUSES
from hico_platform.search.pauses import pauses_from
from hico_platform.search.requests import Answer, Request
from hico_platform.search.tags import TagRecord


class MemoryLedger(Ledger):
    """A ledger that lasts as long as its object."""

    def __init__(self, *, name: str, space: CheckedSpace, facts: Facts, limit: int, at_s: float) -> None:
        self._search = SearchRecord(
            name=name, source=space.source, facts=facts, limit=limit, began_at_s=at_s, key=uuid.uuid4().hex
        )
        self._trials: list[TrialRecord] = []
        self._queue: list[tuple[Mapping[str, Scalar], Origin]] = []
        self._notes: dict[str, Any] = {}
        self._drivers: tuple[DriverRecord, ...] = ()
        self._tags: dict[str, TagRecord] = {}
        self._requests: dict[str, Request] = {}

    @property
    def search(self) -> SearchRecord:
        """The space, the facts and the limit of this search."""
        return self._search

    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials that were begun, by number."""
        pauses = pauses_from(self._notes.get(PAUSES))
        return tuple(dataclasses.replace(trial, pauses=pauses.get(trial.number, ())) for trial in self._trials)

    def begin(self, space: CheckedSpace, *, at_s: float, first: Sequence[int] = ()) -> TrialRecord:
        """Begins the next enqueued trial, else one at random."""
        number = len(self._trials)
        wanted = next((one - number for one in first if 0 <= one - number < len(self._queue)), 0)
        if wanted:
            self._queue.insert(0, self._queue.pop(wanted))
        drawn, origin = self._queue.pop(0) if self._queue else ({}, Origin.SAMPLER)
        draw = random.Random(space.settings.sampler.seed * 1_000_003 + number)
        values = space.values(lambda axis: drawn[axis.name] if axis.name in drawn else uniform(axis, draw=draw))
        while not space.admits(values):
            values = space.values(functools.partial(uniform, draw=draw))
        record = TrialRecord(
            number=number,
            state=TrialState.RUNNING,
            values=values,
            origin=origin,
            began_at_s=at_s,
            config=whole_config(space, values),
        )
        self._trials.append(record)
        return record

    def waiting(self) -> tuple[int, ...]:
        """The numbers of enqueued points, if they begin in their order."""
        return tuple(len(self._trials) + index for index in range(len(self._queue)))

    def enqueue(self, values: Mapping[str, Scalar], *, space: CheckedSpace, origin: Origin) -> None:
        """Enqueues the nearest point of the space."""
        drawn = space.nearest_coordinates(values)
        if all(other != drawn for other, _ in self._queue):
            self._queue.append((drawn, origin))

    def record_report(self, number: int, report: ReportRecord) -> None:
        """Adds a report, once an epoch."""
        trial = self._trials[number]
        if not trial.state.is_final and report.epoch not in trial.curve:
            reports = sorted((*trial.reports, report), key=lambda one: one.epoch)
            self._trials[number] = dataclasses.replace(trial, reports=tuple(reports))

    def record_run(self, number: int, run_id: str) -> None:
        """Notes the trial's run in the tracking store."""
        self._trials[number] = dataclasses.replace(self._trials[number], run_id=run_id)

    def record_ending(self, number: int, ending: Ending) -> None:
        """Ends a trial, once."""
        trial = self._trials[number]
        if not trial.state.is_final:
            self._trials[number] = dataclasses.replace(trial, state=ending.state, ending=ending)

    def set_note(self, key: str, value: Any) -> None:
        """Keeps a plain value with the search."""
        self._notes[key] = value

    def note(self, key: str) -> Any:
        """A value that was kept, or nothing."""
        return self._notes.get(key)

    def requests(self) -> tuple[Request, ...]:
        """What people asked of this search, in order."""
        return tuple(self._requests[key] for key in sorted(self._requests))

    def record_request(self, request: Request) -> None:
        """Adds a request."""
        self._requests[request.key] = request

    def record_answer(self, key: str, answer: Answer) -> None:
        """Answers a request."""
        self._requests[key] = dataclasses.replace(self._requests[key], answer=answer)

    def tags(self) -> tuple[TagRecord, ...]:
        """The tags of this search, by name."""
        return tuple(self._tags[name] for name in sorted(self._tags))

    def set_tag(self, tag: TagRecord) -> None:
        """Tags the search."""
        self._tags[tag.name] = tag

    def remove_tag(self, name: str) -> None:
        """Takes a tag away."""
        self._tags.pop(name, None)

    def drivers(self) -> tuple[DriverRecord, ...]:
        """The processes that ran this search, in order."""
        return self._drivers

    def record_driver(self, driver: DriverRecord) -> None:
        """Adds the process that runs this search from now on, once."""
        if self._drivers[-1:] != (driver,):
            self._drivers = (*self._drivers, driver)

    def reopen(self, *, source: Mapping[str, Any], limit: int) -> None:
        """Takes over a changed space and limit."""
        self._search = dataclasses.replace(self._search, source=source, limit=limit)

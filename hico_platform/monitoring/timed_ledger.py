"""A ledger that tells how long its writes take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger.base import Ending, Ledger, Origin, ReportRecord, SearchRecord, TrialRecord
from hico_platform.search.requests import Answer, Request
from hico_platform.search.tags import TagRecord


class TimedLedger(Ledger):
    """Passes every call on to ``ledger``, and the seconds of each write to ``written``, with what was written.

    What is written is ``trial``, ``report``, ``ending`` or ``note``; all but notes hold up the driver.
    """

    def __init__(self, ledger: Ledger, *, written: Callable[[str, float], None]) -> None:
        self._ledger = ledger
        self._written = written

    @property
    def search(self) -> SearchRecord:
        """As the ledger has it."""
        return self._ledger.search

    def trials(self) -> tuple[TrialRecord, ...]:
        """As the ledger has them."""
        return self._ledger.trials()

    def begin(self, space: CheckedSpace, *, at_s: float, first: Sequence[int] = ()) -> TrialRecord:
        """Begins the next trial, which the sampler may have to propose first."""
        with self._timed("trial"):
            return self._ledger.begin(space, at_s=at_s, first=first)

    def waiting(self) -> tuple[int, ...]:
        """The numbers of enqueued points."""
        return self._ledger.waiting()

    def requests(self) -> tuple[Request, ...]:
        """What people asked of the search."""
        return self._ledger.requests()

    def record_request(self, request: Request) -> None:
        """Adds a request."""
        self._ledger.record_request(request)

    def record_answer(self, key: str, answer: Answer) -> None:
        """Answers a request."""
        with self._timed("note"):
            self._ledger.record_answer(key, answer)

    def enqueue(self, values: Mapping[str, Scalar], *, space: CheckedSpace, origin: Origin) -> None:
        """Enqueues a point."""
        self._ledger.enqueue(values, space=space, origin=origin)

    def record_report(self, number: int, report: ReportRecord) -> None:
        """Adds a report."""
        with self._timed("report"):
            self._ledger.record_report(number, report)

    def record_run(self, number: int, run_id: str) -> None:
        """Notes the trial's run in the tracking store."""
        with self._timed("note"):
            self._ledger.record_run(number, run_id)

    def record_ending(self, number: int, ending: Ending) -> None:
        """Ends a trial."""
        with self._timed("ending"):
            self._ledger.record_ending(number, ending)

    def set_note(self, key: str, value: Any) -> None:
        """Keeps a plain value."""
        with self._timed("note"):
            self._ledger.set_note(key, value)

    def note(self, key: str) -> Any:
        """A value that was kept."""
        return self._ledger.note(key)

    def tags(self) -> tuple[TagRecord, ...]:
        """The tags of the search."""
        return self._ledger.tags()

    def set_tag(self, tag: TagRecord) -> None:
        """Tags the search."""
        self._ledger.set_tag(tag)

    def remove_tag(self, name: str) -> None:
        """Takes a tag away."""
        self._ledger.remove_tag(name)

    def drivers(self) -> tuple[DriverRecord, ...]:
        """The processes that ran this search."""
        return self._ledger.drivers()

    def record_driver(self, driver: DriverRecord) -> None:
        """Adds the process that runs this search."""
        self._ledger.record_driver(driver)

    def reopen(self, *, source: Mapping[str, Any], limit: int) -> None:
        """Replaces the space and the limit."""
        self._ledger.reopen(source=source, limit=limit)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self._written(what, time.perf_counter() - began_s)

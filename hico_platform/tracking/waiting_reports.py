"""Reports that wait for the tracking store: those of one trial go into one request.

With a store that keeps up each report is a request of its own, made at once. With one that does not, reports wait, and
the first write of a trial's takes along all that have come since, so that the store is asked less the more there is
to write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from hico_platform.search.ledger.base import ReportRecord
from hico_platform.tracking.base import TrackingRefused


class WaitingReports:
    """The reports that are not written yet, by trial.

    Args:
        write: writes reports of a trial in one request.
        leaving_out: the context in which one report is left out, and counted, where the store refuses it.
    """

    def __init__(
        self,
        write: Callable[[int, Sequence[ReportRecord]], None],
        *,
        leaving_out: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._write, self._leaving_out = write, leaving_out
        self._lock = threading.Lock()
        self._waiting: dict[int, list[ReportRecord]] = {}

    def add(self, number: int, report: ReportRecord) -> None:
        """Another report of a trial, for which a :meth:`write` of its own is submitted."""
        with self._lock:
            self._waiting.setdefault(number, []).append(report)

    def write(self, number: int) -> None:
        """Writes all that waits of a trial; nothing where an earlier write took it along.

        Raises:
            TrackingError: the store is away; what was not written still waits.
            TrackingRefused: it does not take the only one.
        """
        with self._lock:
            reports = tuple(self._waiting.get(number, ()))
        try:
            if reports:
                self._write(number, reports)
        except TrackingRefused:
            if len(reports) == 1:
                self._written(number, 1)
                raise
            for report in reports:  # one that is refused is not to take the others along
                with self._leaving_out():
                    self._write(number, (report,))
                self._written(number, 1)
        else:
            self._written(number, len(reports))

    def _written(self, number: int, count: int) -> None:
        with self._lock:
            left = self._waiting.pop(number, [])[count:]
            if left:
                self._waiting[number] = left

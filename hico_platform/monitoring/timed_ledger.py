"""A ledger that tells how long its writes take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from hico_platform.search.ledger.base import Ledger

OPERATIONS = {
    "begin": "trial",
    "record_report": "report",
    "record_ending": "ending",
    "record_run": "note",
    "set_note": "note",
}
"""The writes that are measured, by what the metric calls them. All but notes hold up the driver."""


def timed_ledger(ledger: Ledger, *, written: Callable[[str, float], None]) -> Ledger:
    """``ledger`` with the seconds of each write passed to ``written``, with what was written."""
    return cast(Ledger, _TimedLedger(ledger, written))


class _TimedLedger:
    """Passes everything on, so that a ledger may learn more without this knowing."""

    def __init__(self, ledger: Ledger, written: Callable[[str, float], None]) -> None:
        self._ledger = ledger
        self._written = written

    def __getattr__(self, name: str) -> Any:
        """The ledger's own attribute; a write is measured."""
        found = getattr(self._ledger, name)
        return self._measured(found, OPERATIONS[name]) if name in OPERATIONS else found

    def _measured(self, write: Callable[..., Any], what: str) -> Callable[..., Any]:
        def measured(*values: Any, **named: Any) -> Any:
            began_s = time.perf_counter()
            try:
                return write(*values, **named)
            finally:
                self._written(what, time.perf_counter() - began_s)

        return measured

from __future__ import annotations

import pytest

from hico_platform.monitoring.timed_ledger import OPERATIONS, timed_ledger
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.ledger.memory import MemoryLedger
from tests.toy import FACTS, toy_space


def test_what_is_measured_is_what_a_ledger_can_do() -> None:
    assert all(callable(getattr(Ledger, name)) for name in OPERATIONS)


def test_it_is_the_ledger_that_it_measures() -> None:
    space = toy_space()
    inner = MemoryLedger(name="toy", space=space, facts=FACTS, limit=3, at_s=0.0)
    written: list[str] = []
    timed = timed_ledger(inner, written=lambda what, seconds: written.append(what))
    timed.begin(space, at_s=1.0)
    timed.record_run(0, "r")
    timed.set_note("a", 7)
    assert timed.trials() == inner.trials()
    assert (timed.note("a"), timed.search, timed.drivers(), timed.tags()) == (7, inner.search, (), ())
    assert written == ["trial", "note", "note"]


def test_a_write_that_fails_took_time_too() -> None:
    inner = MemoryLedger(name="toy", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)
    written: list[str] = []
    with pytest.raises(IndexError):
        timed_ledger(inner, written=lambda what, seconds: written.append(what)).record_run(7, "r")
    assert written == ["note"]

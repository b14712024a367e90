from __future__ import annotations

import inspect

from hico_platform.monitoring.timed_ledger import TimedLedger
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.ledger.memory import MemoryLedger
from tests.toy import FACTS, toy_space


def test_it_passes_on_every_call() -> None:
    public = {name for name, _ in inspect.getmembers(Ledger) if not name.startswith("_")}
    assert public <= set(vars(TimedLedger)), "a method of the ledger that is not passed on would be its base's"


def test_it_is_the_ledger_that_it_measures() -> None:
    space = toy_space()
    inner = MemoryLedger(name="toy", space=space, facts=FACTS, limit=3, at_s=0.0)
    written: list[str] = []
    timed = TimedLedger(inner, written=lambda what, seconds: written.append(what))
    timed.begin(space, at_s=1.0)
    timed.record_run(0, "r")
    timed.set_note("a", 7)
    assert timed.trials() == inner.trials()
    assert (timed.note("a"), timed.search, timed.drivers()) == (7, inner.search, ())
    assert written == ["trial", "note", "note"]

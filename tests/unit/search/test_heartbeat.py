from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from hico_platform.search.heartbeat import DEAD_AFTER_S, DRIVER, heartbeat, live_driver
from hico_platform.search.ledger.memory import MemoryLedger
from tests.toy import FACTS, toy_space


def memory() -> MemoryLedger:
    return MemoryLedger(name="toy", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)


def test_a_driver_beats_while_it_lives() -> None:
    ledger = memory()
    with heartbeat(ledger, every_s=0.001):
        first = ledger.note(DRIVER)
        assert (first["pid"], first["host"]) == (os.getpid(), socket.gethostname())
        while ledger.note(DRIVER)["at_s"] == first["at_s"]:
            time.sleep(0.001)
        assert ledger.note(DRIVER)["since_s"] == first["since_s"]
    assert ledger.note(DRIVER) is None


def test_a_beat_that_cannot_be_written_stops_nothing() -> None:
    class Full(MemoryLedger):
        def set_note(self, key: str, value: Any) -> None:
            raise OSError("no space")

    with heartbeat(Full(name="toy", space=toy_space(), facts=FACTS, limit=3, at_s=0.0), every_s=0.001):
        time.sleep(0.01)


def test_silence_is_death(tmp_path: Path) -> None:
    note = {"pid": 1, "host": "far", "since_s": 0.0, "at_s": 100.0}
    assert live_driver(note, now_s=100.0 + DEAD_AFTER_S) == note
    assert live_driver(note, now_s=101.0 + DEAD_AFTER_S) is None
    assert (
        live_driver(note, now_s=99.0 - DEAD_AFTER_S) is None
    )  # a clock that was set back makes no driver live for hours
    assert live_driver(None, now_s=0.0) is None

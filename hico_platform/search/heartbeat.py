"""A driver's sign of life in the ledger, for whoever watches from a machine that does not share the home."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hico_platform.search.drivers import user_name
from hico_platform.search.ledger.base import Ledger

DRIVER = "driver"
BEAT_S = 10.0
SILENT_S = 60.0
"""After so long without a beat a driver is taken for dead; clocks of machines may differ by less."""


@contextmanager
def heartbeat(ledger: Ledger, *, every_s: float = BEAT_S, clock: Callable[[], float] = time.time) -> Iterator[None]:
    """Notes user, process, host and time in the ledger while the block lasts, again and again, and takes them out."""
    since_s, ended, user = clock(), threading.Event(), user_name()

    def beat() -> None:
        process = {"user": user, "pid": os.getpid(), "host": socket.gethostname()}
        note = {**process, "since_s": since_s, "at_s": clock()}
        # A beat that cannot be written is left out: what the search itself writes says what is wrong.
        with contextlib.suppress(Exception):
            ledger.set_note(DRIVER, note)

    def beats() -> None:
        while not ended.wait(every_s):
            beat()

    beat()
    thread = threading.Thread(target=beats, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(Exception):
            ledger.set_note(DRIVER, None)


def beating(note: Any, *, now_s: float) -> Mapping[str, object] | None:
    """The driver that a note tells of, if it gave a sign of life lately; one from the future is of a clock set back."""
    if not isinstance(note, Mapping) or abs(now_s - float(note["at_s"])) > SILENT_S:
        return None
    return note

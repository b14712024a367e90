"""The driver's heartbeat in the ledger, for ``status`` on a machine that does not share the home."""

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
"""The note of the ledger: user, pid, host, since_s and at_s."""
HEARTBEAT_EVERY_S = 10.0
DEAD_AFTER_S = 60.0
"""A driver without a heartbeat for so long counts as dead; the clocks of machines may differ by less."""


@contextmanager
def heartbeat(
    ledger: Ledger, *, every_s: float = HEARTBEAT_EVERY_S, clock: Callable[[], float] = time.time
) -> Iterator[None]:
    """Writes user, process, host and time to the ledger regularly while the block runs, and removes them at its end."""
    since_s, ended, user = clock(), threading.Event(), user_name()

    def beat() -> None:
        process = {"user": user, "pid": os.getpid(), "host": socket.gethostname()}
        note = {**process, "since_s": since_s, "at_s": clock()}
        # A heartbeat that cannot be written is skipped: the search's own writes report what is wrong.
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


def live_driver(note: Any, *, now_s: float) -> Mapping[str, object] | None:
    """The driver of a note, if its heartbeat is recent. A note from the future comes from a clock that was set back."""
    if not isinstance(note, Mapping) or not isinstance(note.get("host"), str):
        return None
    at_s = note.get("at_s")
    is_recent = isinstance(at_s, int | float) and abs(now_s - at_s) <= DEAD_AFTER_S
    return note if is_recent and {"pid", "since_s"} <= note.keys() else None

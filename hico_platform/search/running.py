"""Whether a process runs a search, and which."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from hico_platform.home import HomePaths
from hico_platform.search.heartbeat import live_driver
from hico_platform.search.lock import holder


def driver_of(paths: HomePaths, name: str, beat: object, *, now_s: float) -> Mapping[str, object] | None:
    """The process that runs a search: known by its locks in this home, or else by its heartbeat in the ledger.

    Args:
        paths: the home's.
        name: of the search.
        beat: the note of the ledger that its driver renews.
        now_s: the moment, Unix time.
    """
    files = paths.locks(name)
    for file in files:
        found = holder(file)
        if found is not None:
            return found
    live = live_driver(beat, now_s=now_s)
    ran_here = live is not None and live["host"] == socket.gethostname() and files[0].exists()
    return None if ran_here else live

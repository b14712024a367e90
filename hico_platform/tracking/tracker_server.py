"""The process that writes to MLflow for a search, which ``tracker_process`` starts.

It reads one line of JSON from its standard input, answers with the address of its socket, and ends when that input
does, which every end of the driver brings about. Signals that reach everyone do not end it: an interrupted driver
still writes.
"""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import signal
import sys
import threading
from multiprocessing.managers import BaseManager
from pathlib import Path

from hico_platform.tracking.base import Tracker

METHODS = tuple(sorted(Tracker.__abstractmethods__ - {"address"}))
"""What is called from outside; ``address`` needs no store."""

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class TrackerManager(BaseManager):
    """Its one object is the tracker."""


def main() -> None:
    """Serves until the standard input ends, or the process that started it."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    driver = os.getppid()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # on the standard error, which the driver reads
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    given = json.loads(sys.stdin.readline())
    socket = Path(given["socket"])
    threading.Thread(target=_end_with_the_driver, args=[driver, socket.parent], name="end", daemon=True).start()

    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    artifacts = given["artifacts"]
    tracker = MlflowTracker(
        uri=given["uri"], artifacts=None if artifacts is None else Path(artifacts), doubts_all=given["again"]
    )
    TrackerManager.register("tracker", callable=lambda: tracker, exposed=METHODS)
    server = TrackerManager(address=str(socket), authkey=bytes.fromhex(given["key"])).get_server()
    print(server.address, file=answer, flush=True)
    server.serve_forever()


def _end_with_the_driver(driver: int, folder: Path) -> None:
    """At once, in the midst of a write too: a store that hangs is not waited for here.

    A process that the driver forked may hold the other end of the input, so the driver itself is looked for, too.
    """
    while os.getppid() == driver:
        if select.select([sys.stdin], [], [], 1.0)[0]:
            break
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)

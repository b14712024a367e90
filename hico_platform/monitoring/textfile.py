"""Writes metrics to a file again and again, for node_exporter's textfile collector: for jobs that nobody can scrape."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

_log = logging.getLogger(__name__)

EVERY_S = 15.0
SUFFIX = ".prom"
"""node_exporter reads files with this ending alone."""


class MetricsFile:
    """Keeps a file up to date until it is closed; whoever reads it finds one whole state. The last one stays.

    The file is readable by everyone: its reader is another account's node_exporter. Who may reach it, its folder says.

    Raises:
        OSError: it cannot be written. Later writes that fail are warned of once.
    """

    def __init__(self, registry: CollectorRegistry, file: Path, *, every_s: float = EVERY_S) -> None:
        self._registry, self._file, self._every_s = registry, file, every_s
        self._ended = threading.Event()
        self._warned = False
        self._write()
        self._thread = threading.Thread(target=self._work, name="metrics file", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Writes the last state."""
        self._ended.set()
        self._thread.join()
        self._try()

    def _work(self) -> None:
        while not self._ended.wait(self._every_s):
            self._try()

    def _try(self) -> None:
        try:
            self._write()
        except OSError as error:
            if not self._warned:
                self._warned = True
                _log.warning("the metrics cannot be written, the search goes on: %s", error)

    def _write(self) -> None:
        """Writes beside the file and renames; not synced, since after a crash the next search writes a new one."""
        temporary = self._file.with_name(f".{self._file.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "wb") as stream:
                stream.write(generate_latest(self._registry))
                os.fchmod(stream.fileno(), 0o644)
            temporary.replace(self._file)
        finally:
            temporary.unlink(missing_ok=True)

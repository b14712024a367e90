"""The whole output of a search or a retraining as a file beside its results, with a time before each line."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from hico_platform.masking import masked
from hico_platform.own_file import open_own_file

MOST_BYTES = 4 * 2**20
"""A log that would grow beyond this becomes ``NAME.1``, in place of the one that had this name before."""


class RunLog:
    """Lines with their times; kept in memory until it is known that this process may write to the folder.

    A log that cannot be written (a full disk) is given up in silence: the work does not depend on it.

    Args:
        secrets: are masked in every line.
        most_bytes: of a file, of which there are two at most.
    """

    def __init__(self, *, secrets: Iterable[str] = (), most_bytes: int = MOST_BYTES) -> None:
        self._secrets = tuple(secrets)
        self._most_bytes = most_bytes
        self._waiting: list[logging.LogRecord] = []
        self._file: _OwnFile | None = None
        self.path: Path | None = None
        """The file, once it is open."""

    def open(self, path: Path) -> bool:
        """Opens the file, which other runs may have begun, and writes what has waited; returns whether it could."""
        if self._file is not None:
            return True
        try:
            self._file = _OwnFile(path, maxBytes=self._most_bytes, backupCount=1, encoding="utf-8")
        except Exception:  # no room, no right, a link: nothing that the work depends on
            return False
        formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
        formatter.converter = time.localtime
        self._file.setFormatter(formatter)
        self.path = path
        waiting, self._waiting = self._waiting, []
        for record in waiting:
            self._file.handle(record)
        return True

    def write(self, line: str, *, level: int = logging.INFO) -> None:
        """Writes a line."""
        text = masked(line, secrets=self._secrets)
        record = logging.LogRecord("hico_platform", level, "", 0, text, None, None)
        if self._file is None:
            self._waiting.append(record)
        else:
            self._file.handle(record)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()


class _OwnFile(RotatingFileHandler):
    """Opens a file of this user's alone, by the umask that the home requires, and never raises an error."""

    def _open(self) -> TextIOWrapper:
        return os.fdopen(open_own_file(Path(self.baseFilename)), "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """A full disk: the next line is tried again."""

"""One driver a search: a lock that the operating system gives back when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hico_platform.errors import Problem, UsageError


@contextmanager
def search_lock(
    file: Path, *, name: str, what: str = "a search", otherwise: str = "give another --name"
) -> Iterator[None]:
    """Holds the lock of the search ``name`` in ``file``; ``what`` and ``otherwise`` word the refusal.

    The file names its holder (process, host, since when), for the message that a second driver gives. The
    file left by a process that is dead is not locked any more, and is taken over.

    Raises:
        UsageError: another live process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                Problem(
                    field="name",
                    rule=f"{what} that is not running already",
                    value=name,
                    remedy=f"{_holder(file)}; wait for it, end it, or {otherwise}",
                )
            ) from error
        handle.seek(0)
        handle.truncate()
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since_s": time.time()}, handle)
        handle.flush()
        try:
            yield
        finally:
            handle.seek(0)
            handle.truncate()


def holder(file: Path) -> dict[str, object] | None:
    """Process, host and start (Unix time) of the lock's live holder, if any."""
    try:
        with file.open("r+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                content: dict[str, object] = json.loads(handle.read() or "{}")
                return content
    except FileNotFoundError:
        pass
    return None


def _holder(file: Path) -> str:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "another process runs it"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(content["since_s"]))
    return f"process {content['pid']} on {content['host']} has run it since {since}"

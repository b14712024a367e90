"""One driver a search: a file lock that the operating system releases when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from hico_platform.errors import HicoError, Problem, UsageError
from hico_platform.own_file import open_own_file
from hico_platform.search.drivers import DriverRecord, clock_time, printable, user_name

TRIES, BETWEEN_TRIES_S = 5, 0.1
NOT_RUNNING_RULE = "a search that is not running already"


@contextmanager
def search_lock(
    file: Path, *, name: str, rule: str = NOT_RUNNING_RULE, otherwise: str = "give another --name"
) -> Iterator[None]:
    """Holds the lock of the search ``name`` in ``file``; ``rule`` and ``otherwise`` word the refusal.

    The file names its holder (user, process, host, since when) for the error of a second driver. A file that a dead
    process left is not locked any more and is reused.

    Raises:
        UsageError: another live process holds it, or the file is a link or another user's.
        HicoError: the file system has no locks.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(open_own_file(file), "r+", encoding="utf-8") as handle:
        if not _taken(handle, file):
            raise already_running(file, name=name, rule=rule, otherwise=otherwise)
        handle.seek(0)
        handle.truncate()
        content = {"user": user_name(), "pid": os.getpid(), "host": socket.gethostname(), "since_s": time.time()}
        json.dump(content, handle)
        handle.flush()
        try:
            yield
        finally:
            handle.seek(0)
            handle.truncate()


def already_running(
    file: Path,
    *,
    name: str,
    rule: str = NOT_RUNNING_RULE,
    otherwise: str = "give another --name",
) -> UsageError:
    """The error of a second driver; it names the first."""
    return UsageError(
        Problem(
            field="name",
            rule=rule,
            value=f"{name}: {_holder(file)}",
            remedy=f"wait for it, end it, or {otherwise}",
        )
    )


def name_is_taken(name: str, *, drivers: Sequence[DriverRecord] = ()) -> UsageError:
    """The error of a new search under the name of an old one; of another person's, it says whose that is."""
    remedy = "give --resume to go on with it, or another --name"
    if drivers and drivers[-1].user != user_name():
        remedy = f"give another --name: this one is {drivers[-1].user}'s"
    return UsageError(Problem(field="name", rule="a name that no search has yet", value=name, remedy=remedy))


def _taken(handle: TextIO, file: Path) -> bool:
    """Tries more than once, since a process that only asks for the holder has the lock for a moment."""
    for attempt in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt + 1 < TRIES:
                time.sleep(BETWEEN_TRIES_S)
        except OSError as error:
            raise HicoError(
                Problem(
                    file=file,
                    rule="a file system that has locks",
                    value=error.strerror,
                    remedy="put the home on another, or mount it with locks",
                )
            ) from error
    return False


def holder(file: Path) -> dict[str, object] | None:
    """User, process, host and start (Unix time) of the lock's live holder, if any."""
    try:
        with file.open(encoding="utf-8") as handle:  # another user's file may be readable only
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _content(file) or {"user": None, "pid": None, "host": None, "since_s": None}
    except OSError:  # there is none, or this user may not read it
        pass
    return None


def _holder(file: Path) -> str:
    content = _content(file)
    if content is None:
        return f"another process runs it, or one that may read {file} holds its lock"
    user = "" if content["user"] is None else f" ({content['user']})"
    return f"process {content['pid']} on {content['host']}{user} has run it since {clock_time(content['since_s'])}"


def _content(file: Path) -> dict[str, Any] | None:
    """What the holder wrote, or nothing before it has. In a shared folder others may have written it: not trusted."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            "user": printable(str(content["user"])) if "user" in content else None,  # older versions named none
            "pid": int(content["pid"]),
            "host": printable(str(content["host"])),
            "since_s": float(content["since_s"]),
        }
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None

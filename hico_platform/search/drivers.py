"""Who ran a search: each driver process with its user, host, process and command, and who may resume it.

A person is a user name: it is the same on all machines of a cluster with shared homes, where a process's number and
often the user's are not. An account without a name (a container under a bare number) is its number. The check prevents
resuming another person's search by mistake; it is no protection against an account that may write the ledger.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
import shlex
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hico_platform.errors import Problem, UsageError
from hico_platform.masking import masked

MOST_OF_A_COMMAND = 4000
"""Characters of a command line that are kept; a longer one is cut off."""
UNKNOWN = "unknown"
"""The user, host or command of a record that does not say it."""


@dataclass(frozen=True, kw_only=True)
class DriverRecord:
    """A process that ran a search, as the ledger keeps it.

    ``command`` is the command line as it is typed in a shell, without secrets. ``resumed`` says that the search was
    there before, ``took_over_from`` whose it was until then, where this driver was another person's.
    """

    user: str
    uid: int | None
    host: str
    pid: int | None
    command: str
    began_at_s: float
    resumed: bool = False
    took_over_from: str | None = None


def user_name() -> str:
    """The name of this process's user, by the system's list of users and not by variables; ``uid-N`` without one."""
    try:
        return printable(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return _unnamed(os.getuid())


def command_line(words: Sequence[str], *, secrets: Iterable[str] = ()) -> str:
    """A command as it is typed in a shell, without the passwords of addresses in it and without ``secrets``."""
    known = tuple(secrets)
    return shlex.join(masked(word, secrets=known) for word in words)


def this_driver(*, command: str | None = None, at_s: float | None = None) -> DriverRecord:
    """This process, which was started by ``command`` (without secrets; by default as the interpreter has it)."""
    return DriverRecord(
        user=user_name(),
        uid=os.getuid(),
        host=socket.gethostname(),
        pid=os.getpid(),
        command=printable(command_line(sys.argv) if command is None else command)[:MOST_OF_A_COMMAND],
        began_at_s=time.time() if at_s is None else at_s,
    )


def printable(text: str) -> str:
    """A text from a command line or a shared ledger as one line without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def is_same_person(one: DriverRecord, other: DriverRecord) -> bool:
    """Whether two drivers belong to one person: the same name, or the same number where one of them has no name."""
    if one.user == other.user:
        return True
    is_unnamed = any(driver.user == _unnamed(driver.uid) for driver in (one, other))
    return is_unnamed and one.uid is not None and one.uid == other.uid


def starter(drivers: Sequence[DriverRecord]) -> DriverRecord | None:
    """The driver that began a search; not known where an older version began it."""
    return drivers[0] if drivers and not drivers[0].resumed else None


def driver_at(drivers: Sequence[DriverRecord], at_s: float) -> DriverRecord | None:
    """The driver of a search at a moment: the last that had begun by then."""
    return next((driver for driver in reversed(drivers) if driver.began_at_s <= at_s), None)


def admitted(
    driver: DriverRecord, *, before: Sequence[DriverRecord], name: str, take_over: bool = False
) -> DriverRecord:
    """Checks that a driver may resume a search, and returns the driver as the ledger is to record it.

    The person who ran a search last may resume it, and anyone a search whose drivers are not known.

    Args:
        driver: this process.
        before: the drivers that the search had.
        name: of the search.
        take_over: whether another person's search may be taken over.

    Raises:
        UsageError: it is another person's, and may not.
    """
    resumed = dataclasses.replace(driver, resumed=True)
    if not before or before[-1].user == UNKNOWN or is_same_person(before[-1], driver):
        return resumed
    last = before[-1]
    if not take_over:
        raise UsageError(_not_yours(driver, before=before, name=name))
    return dataclasses.replace(resumed, took_over_from=last.user)


def _not_yours(driver: DriverRecord, *, before: Sequence[DriverRecord], name: str) -> Problem:
    last = before[-1]
    since = next(one for index, one in enumerate(before) if all(is_same_person(two, last) for two in before[index:]))
    verb = "took it over" if since.took_over_from else "resumed it" if since.resumed else "began it"
    seen = "" if last is since else f" and last ran it at {clock_time(last.began_at_s)}"
    return Problem(
        field="name",
        rule=f"a search that {driver.user} began or took over",
        value=f"{name}: {last.user} {verb} at {clock_time(since.began_at_s)}{seen}, last seen on {last.host} as "
        f"process {last.pid}",
        remedy=f"ask {last.user}, then add --take-over to go on with it, which the ledger records, "
        "or begin one of your own by another --name",
    )


def clock_time(at_s: float) -> str:
    """A moment as text in this machine's time zone; "an unknown time" for an invalid number in a damaged ledger."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
    except (OverflowError, ValueError, OSError, TypeError):
        return "an unknown time"


def _unnamed(uid: int | None) -> str:
    return f"uid-{uid}"

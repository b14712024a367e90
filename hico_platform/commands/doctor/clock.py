"""The clock: heartbeats of drivers are compared across machines, and pages order by time."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator

from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong
from hico_platform.home import is_served
from hico_platform.masking import without_credentials

EARLIEST_S = 1_735_689_600.0
"""1 January 2025: this package is younger."""
MOST_APART_S = 30.0
ANSWER_S = 5.0
_NOT_SYNCHRONISED = 5


def check(
    around: Surroundings, *, now: Callable[[], float] = time.time, state: Callable[[], int | None] | None = None
) -> Iterator[Finding]:
    """Whether it is set at all, and kept by the network."""
    if now() < EARLIEST_S:
        yield wrong("clock", time.strftime("%Y-%m-%d", time.gmtime(now())), "set it: timedatectl set-ntp true")
    elif (state or _kernel_state)() == _NOT_SYNCHRONISED and around.address is not None:
        yield warning("clock", "not kept by the network", "synchronise the cluster's clocks: timedatectl set-ntp true")
    else:
        yield good("clock", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now())))


def check_server(around: Surroundings, *, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """How far it is from that of a tracking server."""
    uri = without_credentials(around.paths.tracking_uri)
    if not is_served(uri):
        return
    import urllib.request  # with all of http and e-mail, which a search that begins can do without
    from email.utils import parsedate_to_datetime
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=ANSWER_S) as answer:
            date = answer.headers.get("Date")
    except HTTPError as error:
        date = error.headers.get("Date")
    except (OSError, ValueError, HTTPException):  # whether it is reached, another check says
        return
    try:
        apart_s = abs(now() - parsedate_to_datetime(date or "").timestamp())
    except ValueError:  # it says no date, or none that can be read
        return
    if apart_s > MOST_APART_S:
        yield wrong("clock", f"{apart_s:.0f} s apart from the tracking server's", "synchronise both: timedatectl")


def _kernel_state() -> int | None:
    """The kernel's word on its clock (adjtimex); none where it may not be asked."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))
    except (OSError, AttributeError):
        return None

"""The processes of the search's own cluster, so that none is left when it has ended.

Ray ends the processes that it started itself. Their children, agents and workers, end some seconds later, and a start
that failed may leave all of them. Without /proc nothing is done about them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def cluster_processes(folder: Path) -> frozenset[tuple[int, str]]:
    """Process ids and start times of this process's children that name ``folder``, and of all that they started.

    Must be called while they live, since the parents of an orphan are no longer known.
    """
    parents: dict[int, tuple[int, str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(process.name)] = _parent_and_start(process)
    mark = os.fsencode(folder)
    found = []
    for pid, (parent, _) in parents.items():
        with contextlib.suppress(OSError):
            if parent == os.getpid() and mark in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    for known in found:
        found += [pid for pid, (parent, _) in parents.items() if parent == known]
    return frozenset((pid, parents[pid][1]) for pid in found)


def end_processes(processes: frozenset[tuple[int, str]], *, within_s: float) -> None:
    """Kills those that still run, and waits up to ``within_s`` until they have ended."""
    deadline_s = time.monotonic() + within_s
    while left := [pid for pid, start in processes if _runs(pid, start)]:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline_s:
            return
        time.sleep(0.02)


def _runs(pid: int, start: str) -> bool:
    """Whether it is still the same process, and not a zombie."""
    try:
        process = Path(f"/proc/{pid}")
        return _parent_and_start(process)[1] == start and _fields(process)[0] not in "ZX"
    except (OSError, ValueError, IndexError):
        return False


def _parent_and_start(process: Path) -> tuple[int, str]:
    fields = _fields(process)
    return int(fields[1]), fields[19]


def _fields(process: Path) -> list[str]:
    """What follows the name in ``stat``: state, parent and so on."""
    return (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()

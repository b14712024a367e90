"""The CPUs and the memory that this process may use: affinity, cpusets and limits of cgroups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hico_platform.amounts import shown_bytes
from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong
from hico_platform.cpus import available_cpus

LEAST_BYTES, ENOUGH_BYTES = 2 * 2**30, 4 * 2**30


def check(around: Surroundings) -> Iterator[Finding]:
    """A limit below what the machine has is named: trials are counted by it."""
    usable, all_of_them = available_cpus(root=around.root), os.cpu_count() or 1
    limited = "" if usable >= all_of_them else f" of {all_of_them}, by a cpuset or a quota of a cgroup"
    yield good("cpus", f"{usable}{limited}")
    yield _memory(around.root)


def _memory(root: Path) -> Finding:
    machine, limit = _machine_memory(root), _memory_limit(root)
    known = [one for one in (machine, limit) if one is not None]
    if not known:
        return warning("memory", "unknown", "watch it: no /proc tells what there is")
    usable = min(known)
    found = shown_bytes(usable) + (
        " by a limit of a cgroup" if limit is not None and limit == usable != machine else ""
    )
    if usable < LEAST_BYTES:
        return wrong(
            "memory", found, f"give at least {shown_bytes(LEAST_BYTES)}: driver, Ray and a worker take that much"
        )
    if usable < ENOUGH_BYTES:
        return warning("memory", found, "run one trial at a time: --set resources.max_concurrent=1")
    return good("memory", found)


def _machine_memory(root: Path) -> int | None:
    try:
        lines = (root / "proc" / "meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    except (OSError, ValueError, StopIteration):
        return None


def _memory_limit(root: Path) -> int | None:
    """The limit of this process's cgroup or of one above it; version 2 first, then 1."""
    found = []
    try:
        groups = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        groups = []
    for line in groups:
        number, controllers, path = line.split(":", 2)
        unified = number == "0" and not controllers
        if not unified and "memory" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" if unified else root / "sys/fs/cgroup/memory"
        file = "memory.max" if unified else "memory.limit_in_bytes"
        parts = [part for part in Path(path).parts[1:] if part != ".."]
        for length in range(len(parts), -1, -1):
            try:
                found.append(int((top.joinpath(*parts[:length]) / file).read_text(encoding="ascii")))
            except (OSError, ValueError):  # none there, or "max"
                continue
    return min((one for one in found if one < 2**60), default=None)

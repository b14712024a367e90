"""How many CPUs this process may use: affinity (cpusets), and the CPU quotas of its cgroups.

Neither ``os.cpu_count`` nor Ray knows cgroup v2. joblib's count comes closest, but reads only the root of the
cgroup tree (a container's own cgroup; a limit of systemd or Slurm is set further down) and rounds up, and joblib is not
a direct dependency of this package. The method is that of Rust's ``available_parallelism``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_ESCAPED = re.compile(r"\\([0-7]{3})")


def available_cpus(*, root: Path = Path("/")) -> int:
    """CPUs that this process may use at once, at least 1; a quota of 2.5 CPUs counts as 2.

    ``root`` is the folder that contains ``proc`` and the mount points of cgroups.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        allowed = os.cpu_count() or 1
    return max(1, min([allowed, *(int(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """The quotas, in CPUs, of this process's cgroups and of all above them."""
    proc = root / "proc" / "self"
    try:
        groups = (proc / "cgroup").read_text(encoding="utf-8").splitlines()
        mounts = [_mount(line) for line in (proc / "mountinfo").read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):  # not Linux, or /proc is hidden
        return
    for line in groups:
        number, controllers, path = line.split(":", 2)
        unified = number == "0" and not controllers
        if not unified and "cpu" not in controllers.split(","):
            continue
        for kind, options, mounted, point in mounts:
            if kind != ("cgroup2" if unified else "cgroup") or not (unified or "cpu" in options):
                continue
            top = root / point.lstrip("/")
            for folder in _upwards(top, mounted, path):
                quota = _quota_v2(folder) if unified else _quota_v1(folder)
                if quota is not None:
                    yield quota
            break


def _mount(line: str) -> tuple[str, list[str], str, str]:
    """From a line of ``mountinfo``: file system, its options, the folder in it that is mounted, and the mount point."""
    before, _, after = line.partition(" - ")
    fields, (kind, _, options) = before.split(), after.split()[:3]
    mounted, point = (_ESCAPED.sub(lambda found: chr(int(found[1], 8)), field) for field in fields[3:5])
    return kind, options.split(","), mounted, point


def _upwards(top: Path, mounted: str, path: str) -> Iterator[Path]:
    """The folder of the cgroup ``path`` below a mount of the cgroup ``mounted``, then those above it."""
    parts = Path(path).parts[1:]
    hidden = Path(mounted).parts[1:]
    # A container may see its own cgroup as the root of the mount; a path above the mount begins with "..".
    below = parts[len(hidden) :] if parts[: len(hidden)] == hidden else ()
    if ".." in below:
        below = ()
    for length in range(len(below), -1, -1):
        yield top.joinpath(*below[:length])


def _quota_v2(folder: Path) -> float | None:
    """``cpu.max`` holds the quota and its period in microseconds, or ``max``."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()[:2]
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(folder: Path) -> float | None:
    """The quota and its period are in a file each; -1 means no quota."""
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None

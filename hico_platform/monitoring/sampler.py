"""What the driver's machine has left, looked at by a thread of its own: a disk that hangs holds up nothing else."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

EVERY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class MachineSample:
    """The disk that a home is on, and what the driver's process takes of its machine."""

    disk_free_bytes: int | None = None
    disk_size_bytes: int | None = None
    resident_bytes: int = 0
    cpu_s: float = 0.0
    open_files: int = 0
    most_open_files: int = 0


def sample(home: Path) -> MachineSample:
    """Looks once. What an account cannot write to does not count as free."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        found = MachineSample(
            resident_bytes=process.memory_info().rss,
            cpu_s=times.user + times.system,
            open_files=process.num_fds(),
            most_open_files=process.rlimit(psutil.RLIMIT_NOFILE)[0] if hasattr(process, "rlimit") else 0,
        )
    with contextlib.suppress(OSError):
        disk = os.statvfs(home)
        free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        return replace(found, disk_free_bytes=free, disk_size_bytes=size)
    return found


class Sampler:
    """Samples every few seconds until it is closed.

    Attributes:
        latest: the newest sample.
    """

    def __init__(self, look: Callable[[], MachineSample], *, every_s: float = EVERY_S) -> None:
        self.latest = MachineSample()
        self._look = look
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="metrics sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends; does not wait for a look that hangs."""
        self._ended.set()

    def _work(self) -> None:
        while True:
            with contextlib.suppress(OSError, psutil.Error):  # the next look may go better
                self.latest = self._look()
            if self._ended.wait(self._every_s):
                return

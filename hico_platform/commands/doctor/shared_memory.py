"""``/dev/shm``, where Ray keeps its objects and PyTorch passes batches between processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hico_platform.amounts import shown_bytes
from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong

LEAST_BYTES, ENOUGH_BYTES = 160 * 2**20, 512 * 2**20
"""Ray's object store of a search takes 128 MiB."""


def check(around: Surroundings) -> Iterator[Finding]:
    """Containers often have 64 MiB of it."""
    folder = around.root / "dev" / "shm"
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        yield wrong("/dev/shm", f"not there ({error.strerror})", "mount a tmpfs on /dev/shm: Ray needs it")
        return
    if not os.access(folder, os.W_OK):
        yield wrong("/dev/shm", "cannot be written", "let this account write there: chmod 1777 /dev/shm")
        return
    free = disk.f_bavail * disk.f_frsize
    found, remedy = f"{shown_bytes(free)} free", "give it more (docker run --shm-size=1g), or remove what lies there"
    if free < LEAST_BYTES:
        yield wrong("/dev/shm", found, remedy)
    elif free < ENOUGH_BYTES:
        yield warning("/dev/shm", found, remedy)
    else:
        yield good("/dev/shm", found)

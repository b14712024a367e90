"""The disk of the home: space, inodes, quota, and whether SQLite is safe on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hico_platform.amounts import shown_bytes
from hico_platform.bounded_process import run_bounded
from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong
from hico_platform.file_systems import MOUNTS, network_file_system
from hico_platform.sqlite_files import sqlite_file

LEAST_BYTES, ENOUGH_BYTES, ENOUGH_PART = 2**30, 5 * 2**30, 0.05
QUOTA_S = 5.0


def check(around: Surroundings) -> Iterator[Finding]:
    """Space and inodes for this account, the right to write, and the file system under the databases."""
    home = around.paths.home
    folder = next((one for one in (home, *home.parents) if one.exists()), Path("/"))
    if not os.access(folder, os.W_OK):
        yield wrong("home", f"{folder} cannot be written", "give another by --home or HICO_HOME")
    else:
        yield good("home", f"{home}{'' if folder == home else ', which the first command makes'}")
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        yield wrong("disk", f"{folder} does not answer ({error.strerror})", "look at the mount, or give another --home")
        return
    free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    found = f"{shown_bytes(free)} of {shown_bytes(whole)} free for this account"
    remedy = "free some space, or give a --home on another disk: a full disk stops a search, which can be resumed"
    if whole and free < LEAST_BYTES:
        yield wrong("disk", found, remedy)
    elif whole and (free < ENOUGH_BYTES or free < ENOUGH_PART * whole):
        yield warning("disk", found, remedy)
    else:
        yield good("disk", found)
    if disk.f_files and disk.f_favail < 10_000:
        yield warning("inodes", f"{disk.f_favail} of {disk.f_files} free", "remove files: each checkpoint is three")
    yield from _databases(around)


def _databases(around: Surroundings) -> Iterator[Finding]:
    mounts = MOUNTS if around.root == Path("/") else around.root / "proc/self/mountinfo"
    for about, url in (("study database", around.paths.storage_url), ("tracking store", around.paths.tracking_uri)):
        file = sqlite_file(url)
        kind = None if file is None else network_file_system(file, mounts=mounts)
        if kind is not None:
            option = "--storage" if about == "study database" else "--tracking"
            yield warning(
                about,
                f"SQLite on {kind}, where locks are slow and may fail",
                f"keep it on a local disk, or on a server: {option} postgresql+psycopg://HOST/DATABASE",
            )


def check_quota(around: Surroundings) -> Iterator[Finding]:
    """The account's quota, where the system's own command tells it."""
    program = shutil.which("quota", path=around.environment.get("PATH"))
    if program is None:
        return
    try:
        done = run_bounded([program, "-w", "-p"], timeout_s=QUOTA_S)
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.decode(errors="replace").splitlines():
        fields = line.split()
        if len(fields) >= 4 and fields[1].rstrip("*").isdigit() and fields[2].isdigit() and fields[3].isdigit():
            used, most = int(fields[1].rstrip("*")) * 1024, max(int(fields[2]), int(fields[3])) * 1024
            if not most:
                continue
            found = f"{shown_bytes(used)} of {shown_bytes(most)} used on {fields[0]}"
            full = fields[1].endswith("*") or used > 0.95 * most
            yield warning("quota", found, "free some space there") if full else good("quota", found)

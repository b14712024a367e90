"""The session folder of the search's own cluster: private, with a path short enough for sockets, removed at the end.

The driver locks the folder for as long as it lives, which works across process namespaces. A folder of this kind
without a lock was left by a driver that was killed. (systemd-tmpfiles spares locked folders too, however old.) On a
network file system a lock may hold within one machine alone (NFS with ``local_lock``); there the folder's name contains
a digest of the machine's name, and only that machine removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hico_platform.errors import HicoError, Problem
from hico_platform.file_systems import network_file_system

PREFIX = "hicoray-"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MACHINE_DIGITS = 5
_RAY = "r"
"""Ray makes the folder that it is given world-writable, so it gets one inside a folder with mode 0700."""
_SOCKET_NAME = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
_LONGEST_SOCKET = 107 if sys.platform == "linux" else 103
LONGEST = _LONGEST_SOCKET - len(f"/{PREFIX}abcdefgh/{_RAY}{_SOCKET_NAME}")
"""The longest path, in bytes, of a folder for temporary files in which the paths of Ray's sockets are short enough.

On a network file system it is shorter by the digest of the machine's name.
"""


@contextmanager
def session_folder() -> Iterator[Path]:
    """A new folder for temporary files with a short path; Ray's own part of it is :func:`for_ray`.

    Raises:
        HicoError: there is no parent folder for it, or none that can be written.
    """
    parents = temporary_folders()
    for parent in parents:
        _remove_leftovers(parent)
    created = None
    for parent in parents:
        with contextlib.suppress(OSError):
            created = _create(parent)
            break
    if created is None:
        raise HicoError(
            Problem(
                field="TMPDIR",
                rule=f"a folder that can be written, its name of at most {LONGEST} bytes since Ray's sockets lie in it",
                value=tempfile.gettempdir(),
                remedy="set TMPDIR to such a folder on a local disk, as /tmp is",
            )
        )
    folder, lock = created
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def for_ray(folder: Path) -> Path:
    """Where Ray keeps its session."""
    return folder / _RAY


def temporary_folders() -> Sequence[Path]:
    """Folders for temporary files with short paths: TMPDIR, /tmp, and XDG_RUNTIME_DIR.

    XDG_RUNTIME_DIR comes last: it is removed when the user logs out, even while processes use it.
    """
    login = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [tempfile.gettempdir(), "/tmp"]
    if login and _is_private(Path(login)):
        candidates.append(login)
    return [Path(folder) for folder in dict.fromkeys(candidates) if _is_short(Path(folder))]


def _is_short(parent: Path) -> bool:
    return len(os.fsencode(parent)) + len(_prefix(parent)) <= LONGEST + len(PREFIX)


def _prefix(parent: Path) -> str:
    """The beginning of the names of new folders."""
    return PREFIX if network_file_system(parent) is None else f"{PREFIX}{_machine()}-"


def _machine() -> str:
    """A digest of this machine's boot, within which its locks hold; containers on it share it."""
    try:
        name = _BOOT.read_text()
    except OSError:
        name = socket.gethostname()
    return hashlib.sha256(name.encode()).hexdigest()[:_MACHINE_DIGITS]


def _create(parent: Path) -> tuple[Path, int]:
    """A new folder and its lock; retried if another driver removes it as a leftover before it is locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(parent), dir=parent))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        with contextlib.suppress(OSError):  # a file system without locks, where no driver removes leftovers either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir() and os.path.samestat(folder.stat(), os.fstat(lock)):
            return folder, lock
        os.close(lock)


def _remove_leftovers(parent: Path) -> None:
    """Removes this user's folders that no driver has locked, as far as this machine can tell."""
    own = re.compile(rf"{PREFIX}({_machine()}-)?[^-]*")
    for folder in parent.glob(f"{_prefix(parent)}*"):
        if not own.fullmatch(folder.name):  # of another machine that uses this disk
            continue
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid != os.geteuid():
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _is_private(folder: Path) -> bool:
    """Whether it is a folder of this user that no other user may enter."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077

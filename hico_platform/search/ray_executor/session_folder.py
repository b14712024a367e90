"""The folder of a cluster of its own: short enough for sockets, for its owner alone, and gone afterwards.

Its holder has it locked as long as it lives, whatever process namespace it lives in; a folder of ours that nobody has
locked was left by a driver that was killed. (systemd-tmpfiles leaves locked folders alone too, however old they are.)
On a network file system locks may count within one machine alone (NFS with ``local_lock``): there a folder's name holds
a digest of the machine's, and only that machine removes it.
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
"""Ray makes the folder that it is given 0777; it gets one inside the folder that is 0700."""
_SOCKET_NAME = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
_LONGEST_SOCKET = 107 if sys.platform == "linux" else 103
LONGEST = _LONGEST_SOCKET - len(f"/{PREFIX}abcdefgh/{_RAY}{_SOCKET_NAME}")
"""Characters of a folder for temporary files in which Ray's sockets still have names that a socket may have.

On a network file system it is fewer by what names the machine.
"""


@contextmanager
def session_folder() -> Iterator[Path]:
    """A new folder in a short place for temporary files; Ray's own part of it is :func:`for_ray`.

    Raises:
        HicoError: there is no such place, or none that can be written.
    """
    places = temporary_places()
    for place in places:
        _remove_leftovers(place)
    made = None
    for place in places:
        with contextlib.suppress(OSError):
            made = _make(place)
            break
    if made is None:
        raise HicoError(
            Problem(
                field="TMPDIR",
                rule=f"a folder that can be written, its name of at most {LONGEST} bytes since Ray's sockets lie in it",
                value=tempfile.gettempdir(),
                remedy="set TMPDIR to such a folder on a local disk, as /tmp is",
            )
        )
    folder, lock = made
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def for_ray(folder: Path) -> Path:
    """Where Ray keeps its session."""
    return folder / _RAY


def temporary_places() -> Sequence[Path]:
    """Folders for temporary files that are short enough: TMPDIR's, /tmp, and the user's own of this login.

    The last comes last: it goes when the user logs out, under whatever still runs.
    """
    login = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [tempfile.gettempdir(), "/tmp"]
    if login and _is_private(Path(login)):
        candidates.append(login)
    return [Path(place) for place in dict.fromkeys(candidates) if _is_short(Path(place))]


def _is_short(place: Path) -> bool:
    return len(os.fsencode(place)) + len(_prefix(place)) <= LONGEST + len(PREFIX)


def _prefix(place: Path) -> str:
    """What the names of new folders begin with."""
    return PREFIX if network_file_system(place) is None else f"{PREFIX}{_machine()}-"


def _machine() -> str:
    """This machine since it was started, which is as far as its locks count; containers on it have it in common."""
    try:
        name = _BOOT.read_text()
    except OSError:
        name = socket.gethostname()
    return hashlib.sha256(name.encode()).hexdigest()[:_MACHINE_DIGITS]


def _make(place: Path) -> tuple[Path, int]:
    """A new folder and its lock; another driver may take it for a leftover before it is locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(place), dir=place))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        with contextlib.suppress(OSError):  # a file system without locks: nobody takes it for a leftover there either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir() and os.path.samestat(folder.stat(), os.fstat(lock)):
            return folder, lock
        os.close(lock)


def _remove_leftovers(place: Path) -> None:
    """Removes this user's folders that nobody holds, as far as this machine can know."""
    own = re.compile(rf"{PREFIX}({_machine()}-)?[^-]*")
    for folder in place.glob(f"{_prefix(place)}*"):
        if not own.fullmatch(folder.name):  # of another machine, to which this one serves its disk
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
    """Whether it is a folder that belongs to this user and that nobody else may enter."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077

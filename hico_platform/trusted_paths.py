"""Whether another account could change what lies in a folder, by the rule by which ssh trusts a file of keys.

Code that is loaded from a cache runs as whoever loads it. A folder is trusted where it and every folder above it
belong to root or to this user, and neither group nor others may write to them. Unlike ssh, which has no use for it, a
folder above with the sticky bit (``/tmp``) passes: nobody but its owner can move or remove what lies in it, and that
which leads to the trusted folder is root's or one's own. A group that has no member but this user is no other
account: where a umask of 002 is usual, everybody has such a group of the same name, as Debian's ssh takes into
account. In the user namespace of a container root's files may show another owner: whoever owns ``/`` counts as root.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path


class UntrustedPath(OSError):  # noqa: N818  (an OSError, for callers that do without what they cannot read)
    """Another account could change a file or folder; the message names it and says what to change."""


def trusted_folder(folder: Path) -> Path:
    """A folder of this user alone, made with what is missing above it (mode 0700), without symbolic links.

    Raises:
        UntrustedPath: another account could change what lies in it.
        OSError: it cannot be made or looked at.
    """
    _make(folder)
    folder = folder.resolve(strict=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid():
        raise UntrustedPath(f"{folder} belongs to the user {found.st_uid}; give a folder of your own")
    if _others_may_write(found):
        raise UntrustedPath(_writable(folder, found.st_mode))
    for parent in folder.parents:
        found = parent.lstat()
        _check_owner(parent, found.st_uid)
        if _others_may_write(found) and not found.st_mode & stat.S_ISVTX:
            raise UntrustedPath(_writable(parent, found.st_mode))
    return folder


def open_trusted(file: Path) -> int:
    """A descriptor of a regular file in a trusted folder, open for reading; the caller closes it.

    Raises:
        UntrustedPath: it is no regular file, or another account could change it.
        OSError: it cannot be opened, or is a symbolic link.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)  # of what was opened, whatever bears the name by now
        if not stat.S_ISREG(found.st_mode):
            raise UntrustedPath(f"{file} is no regular file; remove it")
        _check_owner(file, found.st_uid)
        if _others_may_write(found):
            raise UntrustedPath(_writable(file, found.st_mode))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make(folder: Path) -> None:
    """Makes what is missing, closed to others: a umask of 002 would leave it open to a group."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _others_may_write(found: os.stat_result) -> bool:
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_own_group(found.st_gid)


def _is_own_group(group: int) -> bool:
    """Whether it is this user's own group, by name and number as by its members; one that is not known is not."""
    try:
        user, named = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return user.pw_gid == group and named.gr_name == user.pw_name and set(named.gr_mem) <= {user.pw_name}


def is_own_or_roots(owner: int) -> bool:
    """Whether a file's owner is this user or root, whose number in a container's user namespace is that of ``/``."""
    return owner in {0, os.geteuid(), os.stat("/").st_uid}


def _check_owner(path: Path, owner: int) -> None:
    if not is_own_or_roots(owner):
        raise UntrustedPath(f"{path} belongs to the user {owner}, neither to root nor to you; give another folder")


def _writable(path: Path, mode: int) -> str:
    return f"other accounts may write to {path} (mode {stat.S_IMODE(mode):04o}); chmod go-w {path}"

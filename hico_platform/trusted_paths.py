"""Whether another account could change the files in a folder, by the rule that ssh applies to key files.

Code that is loaded from a cache runs with the rights of the user who loads it. A folder is trusted if it and all its
parents belong to root or to this user, and neither group nor others may write to them. Unlike in ssh, a parent with the
sticky bit (``/tmp``) is accepted: only the owner of an entry can move or remove it, and the entry that leads to the
trusted folder belongs to root or this user. A group whose only member is this user does not count as another account:
systems with a umask of 002 give every user such a group of the same name, which Debian's ssh accepts too. In the user
namespace of a container root's files may show another owner, so the owner of ``/`` counts as root.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path


class UntrustedPath(OSError):  # noqa: N818  (an OSError, for callers that go on without a file they cannot read)
    """Another account could change a file or folder; the message names it and says what to change."""


def trusted_folder(folder: Path) -> Path:
    """The path, without symbolic links, of a trusted folder; missing folders are created with mode 0700.

    Raises:
        UntrustedPath: another account could change files in it.
        OSError: it cannot be created or inspected.
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
        UntrustedPath: it is not a regular file, or another account could change it.
        OSError: it cannot be opened, or is a symbolic link.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)  # of the opened file: the name may mean another file by now
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
    """Creates missing folders with mode 0700, because a umask of 002 would let a group write to them."""
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
    """Whether the group is private to this user, by name, number and members; False for an unknown group."""
    try:
        user, named = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return user.pw_gid == group and named.gr_name == user.pw_name and set(named.gr_mem) <= {user.pw_name}


def is_own_or_roots(owner: int) -> bool:
    """Whether a file's owner is this user or root; in a container's user namespace the owner of ``/`` is root."""
    return owner in {0, os.geteuid(), os.stat("/").st_uid}


def _check_owner(path: Path, owner: int) -> None:
    if not is_own_or_roots(owner):
        raise UntrustedPath(f"{path} belongs to the user {owner}, neither to root nor to you; give another folder")


def _writable(path: Path, mode: int) -> str:
    return f"other accounts may write to {path} (mode {stat.S_IMODE(mode):04o}); chmod go-w {path}"

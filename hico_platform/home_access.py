"""Who may read a home besides its owner: no one or its group. All files of a home get modes that match.

A home is shared if ``--shared`` was used, which its marker file records, and as long as its folder has the set-group-ID
bit and is readable by the group (2750); otherwise it is private. Processes that write to it set their umask
accordingly, so that databases, their journals, checkpoints, artifacts and locks have matching modes, whichever library
creates them. Ray's processes on this machine inherit the umask; a worker on another machine derives it from the folder
that it writes to.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import Enum
from pathlib import Path

from hico_platform.errors import Problem, UsageError
from hico_platform.home_marker import (
    HomeRecord,
    find_record,
    generated_in,
    is_content,
    read_record,
    write_record,
)
from hico_platform.trusted_paths import is_own_or_roots

_UNFOLLOWED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_HAS_PATHS = hasattr(os, "O_PATH")
# Closing a file that was opened for reading would end this process's locks on it, SQLite's among them; as a path, not.
_TO_CHANGE = os.O_PATH | os.O_NOFOLLOW if _HAS_PATHS else _UNFOLLOWED


class HomeAccess(Enum):
    """Who may read the files of a home; the value is the mode of its folders."""

    OWNER = 0o700
    GROUP = 0o2750

    @property
    def umask(self) -> int:
        """The umask of a process that writes to such a home."""
        return 0o777 & ~self.value

    def mode_of(self, found: os.stat_result) -> int:
        """The mode of an entry in such a home: in a shared home the group may read and enter what the owner may."""
        owner = found.st_mode & stat.S_IRWXU
        marked = self.value & stat.S_ISGID if stat.S_ISDIR(found.st_mode) else 0
        return owner | (owner >> 3 & self.value & stat.S_IRWXG) | marked


def home_access(home: Path) -> HomeAccess:
    """Who may read a home; private if it does not exist yet, or if the folder was shared for another purpose."""
    try:
        mode = home.stat().st_mode
        if not _has_bits_of_group(mode):
            return HomeAccess.OWNER
        record = read_record(home) or find_record(home, shared=stat.S_IMODE(mode) == HomeAccess.GROUP.value)
    except OSError:
        return HomeAccess.OWNER
    return HomeAccess.GROUP if record.shared else HomeAccess.OWNER


@contextmanager
def umask_restored() -> Iterator[None]:
    """After the block the umask is that of before: what writes to a home sets the one that the home requires."""
    before = os.umask(0o077)
    os.umask(before)
    try:
        yield
    finally:
        os.umask(before)


def follow_home(home: Path) -> None:
    """Sets the umask of this process to match the home."""
    os.umask(home_access(home).umask)


def follow_folder(folder: Path) -> None:
    """Sets the umask to match the mode of ``folder``, or of its nearest existing parent."""
    nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    shared = nearest.stat().st_mode & stat.S_IRGRP
    os.umask((HomeAccess.GROUP if shared else HomeAccess.OWNER).umask)


def prepare_home(home: Path, *, shared: bool = False) -> str | None:
    """Creates the home if needed, sets the modes of its files, and sets the umask of this process.

    Args:
        home: the folder. An existing folder that is not a home yet keeps its mode and its files.
        shared: let the group read it from now on. Otherwise nothing changes, and a new home is private.

    Returns:
        A message for the user if others can now read less or more of the home than before.

    Raises:
        UsageError: it cannot be shared, or another account may write to it, or has written files that belong to it.
        OSError: it cannot be created.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    created = True
    try:
        home.mkdir(mode=HomeAccess.OWNER.value)
    except FileExistsError:
        created = False
    before = home.stat()
    _check_safe(home, before)
    wanted = HomeAccess.GROUP if shared else home_access(home)
    is_own = before.st_uid == os.geteuid()
    if wanted is HomeAccess.GROUP:
        _check_can_be_shared(home, before, is_own=is_own)
    os.umask(wanted.umask)
    if not is_own:
        return None
    known = read_record(home)
    found = HomeRecord(shared=False, whole=True) if created else known or find_record(home, shared=False)
    record = replace(found, shared=wanted is HomeAccess.GROUP)
    with suppress(OSError):  # a file system without modes
        if record.whole:
            home.chmod(wanted.mode_of(before))
        elif record.shared:
            home.chmod(stat.S_IMODE(before.st_mode) | wanted.mode_of(before))
    if record.shared and not _has_bits_of_group(home.stat().st_mode):
        raise _not_shared(home, is_own=is_own)
    if record != known:
        write_record(home, record)
    changed = _apply_access(home, wanted, record)
    was_shared = known is not None and known.shared and record.shared
    if created or was_shared or (before.st_mode == home.stat().st_mode and not changed):
        return None
    return _notice(home, before, wanted)


def _has_bits_of_group(mode: int) -> bool:
    wanted = HomeAccess.GROUP.value & (stat.S_ISGID | stat.S_IRWXG)
    return mode & wanted == wanted


def _check_safe(home: Path, found: os.stat_result) -> None:
    """Raises an error if another account could have placed files in the home that this one would write to."""
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise UsageError(
            Problem(
                file=home,
                rule="a home in which not every account may write",
                value=f"mode {stat.S_IMODE(found.st_mode):04o}",
                remedy=f"chmod go-w {home}, or give another --home",
            )
        )
    for entry in _entries_of_commands(home):
        with suppress(FileNotFoundError):  # deleted meanwhile
            owner = entry.lstat().st_uid
            if not is_own_or_roots(owner):
                raise UsageError(
                    Problem(
                        file=entry,
                        rule="a home whose files are yours or root's",
                        value=f"one of the user {owner}",
                        remedy="give a home of your own by --home or HICO_HOME; status, report and ui read others'",
                    )
                )


def _entries_of_commands(home: Path) -> Iterator[Path]:
    yield from (home / name for name in os.listdir(home) if is_content(name))
    with suppress(OSError):  # the folder is missing
        yield from (home / "searches" / name for name in os.listdir(home / "searches"))


def _check_can_be_shared(home: Path, found: os.stat_result, *, is_own: bool) -> None:
    if not is_own:
        raise _not_shared(home, is_own=False)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISVTX):
        raise UsageError(
            Problem(
                field="--shared",
                rule="a home in which nobody but you may write",
                value=f"{home} of mode {stat.S_IMODE(found.st_mode):04o}",
                remedy=f"give another --home, or chmod go-w,-t {home}",
            )
        )


def _notice(home: Path, before: os.stat_result, wanted: HomeAccess) -> str | None:
    """The message for the user; None if the same accounts can enter the home as before."""
    was_open_to_all = bool(before.st_mode & stat.S_IXOTH)
    group_could = bool(before.st_mode & stat.S_IXGRP)
    if wanted is HomeAccess.GROUP:
        if group_could and not was_open_to_all:
            return None
        whose = f"{home}: its group ({_group_name(home)}) may read"
        # A folder that existed before it became a home keeps its mode.
        if home.stat().st_mode & stat.S_IRWXO:
            return f"{whose} what commands keep in it from now on"
        return f"{whose} all of it from now on, other accounts nothing"
    if not was_open_to_all and not group_could:
        return None
    return (
        f"{home}: other accounts could read what lies in it; from now on only you can. "
        "To let its group read it, give --shared"
    )


def _apply_access(home: Path, access: HomeAccess, record: HomeRecord) -> bool:
    """Sets mode and group of the files that commands created in a home; returns whether anything changed.

    A folder's own mode is set after its content's, so a folder with the right mode needs no visit. Links are skipped.
    """
    top = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        group, changed = os.fstat(top).st_gid, False
        for name in os.listdir(top):
            if record.is_kept(name):
                changed |= _apply_to_entry(name, top, access, group=group)
                continue
            generated, nothing_else = generated_in(home, name)
            is_ours = is_content(name) and name not in record.left and (nothing_else or record.whole)
            with suppress(OSError):  # deleted meanwhile
                if not generated and not is_ours:
                    continue
                folder = os.open(name, _UNFOLLOWED | os.O_DIRECTORY, dir_fd=top)
                try:
                    for each in generated:
                        changed |= _apply_to_entry(each, folder, access, group=group)
                    if is_ours:
                        changed |= _change(None, folder, access, group=group)
                finally:
                    os.close(folder)
    finally:
        os.close(top)
    return changed


def _apply_to_entry(name: str, folder: int, access: HomeAccess, *, group: int) -> bool:
    """Sets the mode of a file in an open folder, or of a folder and everything in it."""
    with suppress(OSError):  # deleted meanwhile
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if _has_access(found, access, group=group):
            return False
        if not stat.S_ISDIR(found.st_mode):
            return _change(name, folder, access, group=group)
        for _, _, files, inner in os.fwalk(name, topdown=False, dir_fd=folder):
            for file in files:
                _change(file, inner, access, group=group)
            _change(None, inner, access, group=group)
        return True
    return False


def _has_access(found: os.stat_result, access: HomeAccess, *, group: int) -> bool:
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        return True  # a link, or another account's file
    if not stat.S_ISDIR(found.st_mode) and found.st_nlink > 1:
        return True  # hard links to it may exist elsewhere
    is_of_group = access is HomeAccess.OWNER or found.st_gid == group
    # A private home may have inherited the set-group-ID bit from its parent; it has no meaning then.
    setgid = stat.S_ISGID if access is HomeAccess.OWNER else 0
    return is_of_group and stat.S_IMODE(found.st_mode) & ~setgid == access.mode_of(found)


def _change(name: str | None, folder: int, access: HomeAccess, *, group: int) -> bool:
    """Sets the mode of a file in an open folder, or of the folder itself; returns whether it changed."""
    with suppress(OSError):  # a link, deleted meanwhile, or a file system without modes
        opened = folder if name is None else os.open(name, _TO_CHANGE, dir_fd=folder)
        try:
            found = os.fstat(opened)
            if _has_access(found, access, group=group):
                return False
            file = f"/proc/self/fd/{opened}" if _HAS_PATHS and name is not None else opened
            if access is HomeAccess.GROUP and found.st_gid != group:
                os.chown(file, -1, group)
            os.chmod(file, access.mode_of(found))
            return True
        finally:
            if name is not None:
                os.close(opened)
    return False


def _group_name(home: Path) -> str:
    try:
        return home.group()
    except KeyError:  # the group has a number but no name
        return str(home.stat().st_gid)


def _not_shared(home: Path, *, is_own: bool) -> UsageError:
    return UsageError(
        Problem(
            field="--shared",
            rule="a home of your own, its group one that you are in, on a file system that keeps modes",
            value=f"{home} of the group {_group_name(home)}" if is_own else f"{home} of {_owner_name(home)}",
            remedy="give another --home, or change its group: chgrp -R GROUP HOME",
        )
    )


def _owner_name(home: Path) -> str:
    try:
        return home.owner()
    except KeyError:
        return str(home.stat().st_uid)

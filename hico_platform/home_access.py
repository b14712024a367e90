"""Who may read a home besides its owner: nobody, or its group; all that lies in it agrees.

The mode of the home's folder is the decision, and is kept nowhere else: with the set-group-ID bit and readable for the
group (2750) the home is shared, else it is private. From it follows the umask of the processes that write there, so
that databases, their journals, checkpoints, artifacts and locks agree, whichever library makes them. Ray's processes on
this machine inherit it; a worker of another cluster takes it from the folder that it writes to.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from enum import Enum
from pathlib import Path

from hico_platform.errors import Problem, UsageError

_CONTENT = re.compile(r"(study|mlflow)\.db(-wal|-shm|-journal|\..+\.lock)?|mlartifacts|searches|runs|data|cache")
"""Names of what commands keep in a home; other files there are the user's, and are left as they are."""
_UNFOLLOWED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class HomeAccess(Enum):
    """Who may read what lies in a home; the value is the mode of its folders."""

    OWNER = 0o700
    GROUP = 0o2750

    @property
    def umask(self) -> int:
        """The umask of a process that writes there."""
        return 0o777 & ~self.value

    def mode_of(self, found: os.stat_result) -> int:
        """The mode of a file or folder there: its group may read, and enter, where its owner may."""
        owner = found.st_mode & stat.S_IRWXU
        marked = self.value & stat.S_ISGID if stat.S_ISDIR(found.st_mode) else 0
        return owner | (owner >> 3 & self.value & stat.S_IRWXG) | marked


def home_access(home: Path) -> HomeAccess:
    """What a home's folder says; one that is not there yet is private."""
    try:
        mode = home.stat().st_mode
    except OSError:
        return HomeAccess.OWNER
    wanted = HomeAccess.GROUP.value & (stat.S_ISGID | stat.S_IRWXG)
    return HomeAccess.GROUP if mode & wanted == wanted else HomeAccess.OWNER


def follow_home(home: Path) -> None:
    """What this process writes from now on agrees with the home."""
    os.umask(home_access(home).umask)


def follow_folder(folder: Path) -> None:
    """What this process writes from now on has the readers of ``folder``, or of its nearest parent that is there."""
    nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    shared = nearest.stat().st_mode & stat.S_IRGRP
    os.umask((HomeAccess.GROUP if shared else HomeAccess.OWNER).umask)


def prepare_home(home: Path, *, shared: bool = False) -> str | None:
    """Makes a home where there is none, has its content agree, and sets the umask of this process.

    Args:
        home: the folder.
        shared: its group may read it from now on; else it stays what it is, and a new one is private.

    Returns:
        What to say to the user, where others can now read less or more of it than before.

    Raises:
        UsageError: it cannot be shared.
        OSError: it cannot be made.
    """
    wanted = HomeAccess.GROUP if shared else home_access(home)
    os.umask(wanted.umask)
    home.parent.mkdir(parents=True, exist_ok=True)
    made = True
    try:
        home.mkdir()
    except FileExistsError:
        made = False
    before = home.stat()
    is_own = before.st_uid == os.geteuid()
    if is_own and (made or shared or _holds_nothing_else(home)):
        others = 0 if _holds_nothing_else(home) else before.st_mode & stat.S_IRWXO
        with suppress(OSError):  # a file system without modes
            home.chmod(wanted.mode_of(before) | others)
    if shared and home_access(home) is not wanted:
        raise _not_shared(home, is_own=is_own)
    changed = _let_agree(home, wanted)
    if made or (before.st_mode == home.stat().st_mode and not changed):
        return None
    return _notice(home, before, wanted)


def _notice(home: Path, before: os.stat_result, wanted: HomeAccess) -> str | None:
    """None where those who could not enter the home before cannot now, and those who could still can."""
    was_open_to_all = bool(before.st_mode & stat.S_IXOTH)
    group_could = bool(before.st_mode & stat.S_IXGRP)
    if wanted is HomeAccess.GROUP:
        if group_could and not was_open_to_all:
            return None
        return f"{home}: its group ({_group_name(home)}) may read all of it from now on, other accounts nothing"
    if not was_open_to_all and not group_could:
        return None
    return (
        f"{home}: other accounts could read what lies in it; from now on only you can. "
        "To let its group read it, give --shared"
    )


def _holds_nothing_else(home: Path) -> bool:
    """Whether a folder holds what commands keep there and nothing of the user's, such as a working directory does."""
    return all(_CONTENT.fullmatch(name) for name in os.listdir(home))


def _let_agree(home: Path, access: HomeAccess) -> bool:
    """Gives the content of a home its modes and group; whether there was anything to change.

    What agrees at the top agrees within: a folder's own mode comes after its content's. Links are left alone.
    """
    changed = False
    top = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        group = os.fstat(top).st_gid
        for name in filter(_CONTENT.fullmatch, os.listdir(top)):
            with suppress(OSError):  # gone meanwhile
                found = os.stat(name, dir_fd=top, follow_symlinks=False)
                if _agrees(found, access, group=group):
                    continue
                changed = True
                if not stat.S_ISDIR(found.st_mode):
                    _change(name, top, access, group=group)
                    continue
                for _, _, files, folder in os.fwalk(name, topdown=False, dir_fd=top):
                    for file in files:
                        _change(file, folder, access, group=group)
                    _change(None, folder, access, group=group)
    finally:
        os.close(top)
    return changed


def _agrees(found: os.stat_result, access: HomeAccess, *, group: int) -> bool:
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
        return True  # not this one's to change
    is_of_group = access is HomeAccess.OWNER or found.st_gid == group
    setgid = (
        stat.S_ISGID if access is HomeAccess.OWNER else 0
    )  # inherited from the folder of the home, it means nothing
    return is_of_group and stat.S_IMODE(found.st_mode) & ~setgid == access.mode_of(found)


def _change(name: str | None, folder: int, access: HomeAccess, *, group: int) -> None:
    """One file of an open folder, or the folder itself."""
    with suppress(OSError):  # a link, gone meanwhile, or a file system without modes
        opened = folder if name is None else os.open(name, _UNFOLLOWED, dir_fd=folder)
        try:
            found = os.fstat(opened)
            if _agrees(found, access, group=group):
                return
            if access is HomeAccess.GROUP and found.st_gid != group:
                os.fchown(opened, -1, group)
            os.fchmod(opened, access.mode_of(found))
        finally:
            if name is not None:
                os.close(opened)


def _group_name(home: Path) -> str:
    try:
        return home.group()
    except KeyError:  # a number that no list of groups has
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

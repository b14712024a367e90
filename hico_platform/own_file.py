"""Opens files with predictable names for writing in folders that other accounts may write to as well."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from hico_platform.errors import Problem, UsageError
from hico_platform.trusted_paths import is_own_or_roots


def open_own_file(file: Path) -> int:
    """A descriptor to read and write a file, which is created (by the umask) if missing; it is not truncated.

    The file must be a regular file of this user or root without further hard links. Another account may have created
    anything else to make this process write to a file of that account's choice.

    Raises:
        UsageError: it is something else, a link included.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise
        raise _not_own(file, "a link, a folder or something else that is no file") from error
    found = os.fstat(descriptor)
    is_own = is_own_or_roots(found.st_uid)
    if stat.S_ISREG(found.st_mode) and is_own and found.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise _not_own(file, "no file, or one with a second name" if is_own else f"one of the user {found.st_uid}")


def _not_own(file: Path, value: str) -> UsageError:
    return UsageError(
        Problem(
            file=file,
            rule="a file of your own, no link",
            value=value,
            remedy="remove it, and let nobody else write to its folder: chmod go-w FOLDER",
        )
    )

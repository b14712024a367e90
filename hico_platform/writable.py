"""Whether a folder can be written, known before hours of work end at it."""

from __future__ import annotations

import os
from pathlib import Path

from hico_platform.errors import Problem, UsageError


def check_writable(folder: Path, *, rule: str, remedy: str) -> None:
    """Refuses a folder in which, or in whose nearest parent, this user may write nothing; makes nothing.

    Raises:
        UsageError: with ``rule`` and ``remedy``.
        OSError: the path is none that the file system takes.
    """
    nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return
    value = "a folder that may only be read" if nearest.is_dir() else "a file"
    raise UsageError(Problem(file=nearest, rule=rule, value=value, remedy=remedy))

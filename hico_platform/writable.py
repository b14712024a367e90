"""Checks that a folder can be written, before hours of work are lost because it cannot."""

from __future__ import annotations

import os
from pathlib import Path

from hico_platform.errors import Problem, UsageError


def check_writable(folder: Path, *, rule: str, remedy: str) -> None:
    """Raises an error if this user may not write to a folder, or to its nearest existing parent; creates nothing.

    Raises:
        UsageError: with ``rule`` and ``remedy``.
        OSError: the file system does not accept the path.
    """
    nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return
    value = "a folder that may only be read" if nearest.is_dir() else "a file"
    raise UsageError(Problem(file=nearest, rule=rule, value=value, remedy=remedy))


def check_free(path: Path, *, field: str = "out") -> None:
    """Raises UsageError if there is anything at a path, a dangling link too: nothing is written over."""
    if path.exists() or path.is_symlink():
        raise UsageError(
            Problem(field=field, rule="a path where nothing is yet", value=str(path),
                    remedy="give another, or remove this one")
        )  # fmt: skip

"""Who may touch what lies in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path


def entries(folder: Path) -> Iterator[tuple[Path, int]]:
    """All files and folders with their modes, the folder too; what is gone meanwhile is left out."""
    for root, _, files in os.walk(folder):
        for path in (Path(root), *(Path(root, name) for name in files)):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            if not stat.S_ISLNK(mode):
                yield path, stat.S_IMODE(mode)


def open_to(bits: int, folder: Path) -> set[str]:
    """What has one of the bits, with its mode."""
    return {f"{path} {mode:o}" for path, mode in entries(folder) if mode & bits}


def can_be_entered(folder: Path) -> set[str]:
    """What lies directly in a folder for temporary files and others could enter, read or write."""
    return {f"{path} {mode:o}" for path, mode in entries(folder) if path.parent == folder and mode & 0o077}

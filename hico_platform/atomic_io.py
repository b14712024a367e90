"""Atomic file writes: a file is complete or absent, and synced to the disk before other files refer to it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def sync(path: Path) -> None:
    """Flushes a file or folder to the disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_unique_folder(parent: Path, *, prefix: str) -> Path:
    """Creates a folder under a unique name, to be filled and then renamed to its final name.

    Its mode follows the umask; a folder of ``tempfile.mkdtemp`` would be closed to other accounts even when renamed.
    """
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(4)}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


def write_synced(file: Path, content: bytes) -> None:
    """Writes a new file and flushes it to the disk. A kill may leave a part of it, so choose a temporary name.

    Raises:
        FileExistsError: the name is taken, maybe by a link that another account created in a shared folder.
    """
    with file.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_whole(file: Path, content: bytes) -> None:
    """Writes or replaces a file atomically: a reader sees the old content or the new. Creates its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        write_synced(temporary, content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync(file.parent)

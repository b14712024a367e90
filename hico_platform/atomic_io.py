"""Atomic file writes: a file is complete or absent, and synced to the disk before other files refer to it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
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


def write_new_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes a new folder with these files, by name: it appears whole or not at all. Creates the folders above it.

    Raises:
        OSError: there is a folder of that name with something in it, or the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = make_unique_folder(folder.parent, prefix=".writing-")
    try:
        for name, content in files.items():
            write_synced(temporary / name, content)
        sync(temporary)
        temporary.rename(folder)
        sync(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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

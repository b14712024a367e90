"""Files that are whole or not there, and on the disk before anything builds on them."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def sync(path: Path) -> None:
    """Has a file or folder on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_unique_folder(parent: Path, *, prefix: str) -> Path:
    """A new folder, to be filled and then renamed to what others look for.

    Its mode follows the umask; a folder of ``tempfile.mkdtemp`` is its owner's alone, wherever it is moved.
    """
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(4)}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


def write_synced(file: Path, content: bytes) -> None:
    """Writes a new file and has it on the disk; a kill may leave a part of it: write beside what is to be replaced.

    Raises:
        FileExistsError: there is one, or a link, which another account may have made where it may write.
    """
    with file.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_whole(file: Path, content: bytes) -> None:
    """Writes or replaces a file at once: whoever looks sees the old one or the new, whole. Makes its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        write_synced(beside, content)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    sync(file.parent)

"""How many bytes a search takes: in its folder, and in stores of checkpoints."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError

PATIENCE_S = 10.0
"""How long stores are waited for, all of them together; one that does not answer takes an unknown number of bytes."""


def folder_bytes(folder: Path) -> int | None:
    """The bytes that the files below a folder take, links not followed; None where there is no such folder."""
    total, waiting = 0, [os.fspath(folder)]
    if not folder.is_dir():
        return None
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # removed meanwhile, or not readable by this user
            continue
    return total


def stored_bytes(stores: Sequence[CheckpointStore], *, patience_s: float = PATIENCE_S) -> Mapping[str, int | None]:
    """The bytes in each store, by its address; None where it does not answer. All are asked at once.

    A store that lies below another one of them is left out, since its bytes are among the other's.
    """
    addresses = {store.address(): store for store in stores}
    folders = {address: _path(address) for address in addresses}
    found: dict[str, int | None] = {
        address: None
        for address, path in folders.items()
        if not any(path.startswith(f"{other}/") for other in folders.values())
    }

    def ask(address: str) -> None:
        try:
            found[address] = addresses[address].total_bytes()
        except StoreAwayError:
            found[address] = None

    # Daemons: a store that never answers is no reason for a command not to end.
    threads = [threading.Thread(target=ask, args=(address,), daemon=True) for address in found]
    for thread in threads:
        thread.start()
    end_s = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, end_s - time.monotonic()))
    return dict(found)


def _path(address: str) -> str:
    return address.partition("?")[0].rstrip("/")

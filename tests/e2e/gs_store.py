"""A store of Google's kind from a package, in this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gs_store() -> Iterator[str | None]:
    """The address of a store that speaks as Google's does, with a bucket ``hico``; None where no package brings one."""
    try:
        from gcp_storage_emulator.server import create_server
    except ImportError:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="hico")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()

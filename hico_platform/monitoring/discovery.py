"""Where a search's metrics are served, as a file that Prometheus finds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from hico_platform.atomic_io import write_whole


@contextlib.contextmanager
def discoverable(file: Path, *, target: str, scheme: str) -> Iterator[None]:
    """Lists the endpoint in a file while it is served, as Prometheus's file_sd_configs reads it.

    Args:
        file: is written, and removed after the block.
        target: ``host:port``.
        scheme: ``http`` or ``https``.
    """
    found = [{"targets": [target], "labels": {"__scheme__": scheme}}]
    try:
        write_whole(file, json.dumps(found).encode())
        yield
    finally:
        file.unlink(missing_ok=True)

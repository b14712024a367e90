"""The file systems that addresses such as ``s3://``, ``gs://`` and ``file://`` name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:  # it takes a while to import
    from pyarrow import fs

RETRY_S = 20
"""How long Google's library asks again a store that is away. By its own rule it does for a quarter of an hour, in which
a command would say nothing, and a search that is to end would wait."""
_LIMIT = "retry_limit_seconds"


def file_system_of(url: str) -> tuple[fs.FileSystem, str]:
    """The file system that an address names, and the path in it.

    Raises:
        ValueError: it names none (pyarrow's ``ArrowInvalid``).
        OSError: the store is away.
    """
    from pyarrow import fs

    parts = urlsplit(url)
    if parts.scheme == "gs" and _LIMIT not in parts.query:
        query = "&".join(part for part in (parts.query, f"{_LIMIT}={RETRY_S}") if part)
        url = parts._replace(query=query).geturl()
    found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(url)
    return found

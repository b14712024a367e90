"""A full disk is nobody's mistake: the search is put down, and goes on once there is room."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hico_platform.errors import HicoError, Problem

_FULL = {errno.ENOSPC, errno.EDQUOT}
_WORDS = ("disk is full", "No space left on device", "Disk quota exceeded")


def is_full(error: BaseException) -> bool:
    """Whether a full disk or an exhausted quota lies behind an error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        if any(words in str(seen) for words in _WORDS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextmanager
def room_wanted(home: Path) -> Iterator[None]:
    """Says in the user's words when the disk is full.

    Raises:
        HicoError: a full disk ended the block.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        raise HicoError(
            Problem(
                file=home,
                rule="room to write: the disk is full",
                value=str(error).strip().splitlines()[0],
                remedy="free some space, then go on with --resume; nothing that was reported is lost",
            )
        ) from error

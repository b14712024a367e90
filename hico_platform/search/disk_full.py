"""A full disk stops the search, which can be resumed once there is space; no trial fails because of it."""

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
    seen: set[int] = set()  # errors may name each other as causes
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, OSError) and link.errno in _FULL:
            return True
        if any(words in str(link) for words in _WORDS):
            return True
        link = link.__cause__ or link.__context__
    return False


@contextmanager
def explain_disk_full(home: Path) -> Iterator[None]:
    """Turns the error of a full disk into one that says what to do.

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
                rule="free space on the disk",
                value=str(error).strip().splitlines()[0],
                remedy="free some space, then go on with --resume: nothing that was reported is lost",
            )
        ) from error

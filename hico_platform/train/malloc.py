"""Keeps memory that a step frees in the process, so that the next step causes no page faults."""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's names for mallopt: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
_HIGHEST = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Makes glibc allocate large blocks from its heap and keep freed memory; False with another C library.

    By default every tensor above 32 MiB is mapped anew in each step, and the first write to it takes ten times as long
    as later ones. With this setting the process keeps the most memory that it ever used.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _HIGHEST) and mallopt(_TRIM_THRESHOLD, _HIGHEST))

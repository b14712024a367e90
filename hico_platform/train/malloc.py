"""Memory that a step frees stays with the process, so that the next step need not fault it in again."""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's names for mallopt: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
_HIGHEST = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Has glibc give out large blocks from its heap and keep what is freed; False with another C library.

    Left alone, every tensor above 32 MiB is mapped anew in each step, and writing to it for the first time costs
    ten times the writing. The process then holds on to the most that it ever used.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _HIGHEST) and mallopt(_TRIM_THRESHOLD, _HIGHEST))

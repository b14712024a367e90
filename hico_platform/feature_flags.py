"""Features that are off: by an environment variable, to find a fault, or by this process, after it found one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_LEFT_OUT: set[str] = set()


def switched_off(name: str) -> bool:
    """Whether the environment variable ``name`` is off, 0 or no, or this process disabled the feature."""
    return left_out(name) or os.environ.get(name, "").lower() in ("off", "0", "no")


def left_out(name: str) -> bool:
    """Whether this process disabled ``name``, whatever the environment variable is."""
    return name in _LEFT_OUT


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Disables these features in the block, in all threads, because a backward pass runs in threads of its own."""
    added = set(names) - _LEFT_OUT
    _LEFT_OUT.update(added)
    try:
        yield
    finally:
        _LEFT_OUT.difference_update(added)

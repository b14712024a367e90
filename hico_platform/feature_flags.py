"""What is left out: by the environment, to look for a fault, or by this process, which found one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_LEFT_OUT: set[str] = set()


def switched_off(name: str) -> bool:
    """Whether the environment variable ``name`` says off, 0 or no, or this process leaves it out."""
    return left_out(name) or os.environ.get(name, "").lower() in ("off", "0", "no")


def left_out(name: str) -> bool:
    """Whether this process leaves ``name`` out, whatever the environment says."""
    return name in _LEFT_OUT


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Leaves these out for a while, in all threads: a backward pass has its own."""
    added = set(names) - _LEFT_OUT
    _LEFT_OUT.update(added)
    try:
        yield
    finally:
        _LEFT_OUT.difference_update(added)

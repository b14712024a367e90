"""What each step of a recurrence on a CPU visits, as the compiled kernels take it."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any, NamedTuple

from torch import Tensor

from hico_platform.ops.granularities import Packing


class _Visit(ctypes.Structure):
    """The C structure of that name."""

    _fields_ = (
        ("token", ctypes.c_void_p),
        ("before", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("sequences", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("room", ctypes.c_int64),
        ("places", ctypes.c_int64),
    )


class Visits(NamedTuple):
    """Which tokens each step visits, as the kernels take it."""

    array: Any  # of _Visit
    steps: list[tuple[Any, int]]  # each visit by reference, and its rows in a direction
    tokens: list[Tensor]  # what the array points to
    room: int  # rows of the first step, which has the most


@lru_cache(maxsize=64)
def visits_of(packed: Packing, sequences: int, width: int) -> Visits:
    """Those of a packing of ``sequences`` and ``width`` units a direction, which must not grow."""
    array = (_Visit * len(packed.bounds))()
    tokens: list[Tensor] = []
    for index, (first, last) in enumerate(packed.bounds):
        token = packed.order[:, first:last].contiguous()
        visit = array[index]
        visit.token, visit.count, visit.sequences, visit.width = token.data_ptr(), last - first, sequences, width
        visit.room, visit.places = packed.counts[0] * sequences, packed.order.shape[1] * sequences
        if index > 0:
            before = tokens[-1][:, : last - first].contiguous()
            visit.before = before.data_ptr()
            tokens.append(before)
        tokens.append(token)
    steps = [(ctypes.byref(visit), visit.count * sequences) for visit in array]
    return Visits(array=array, steps=steps, tokens=tokens, room=packed.counts[0] * sequences)

"""Dropout whose mask is a hash of a seed and of each element's place: nothing of it is stored."""

from __future__ import annotations

import ctypes

import torch


class Drop(ctypes.Structure):
    """One draw of a dropout, as the kernels take it: the C structure of that name."""

    _fields_ = (
        ("first", ctypes.c_uint32),
        ("second", ctypes.c_uint32),
        ("dropped", ctypes.c_uint32),
        ("scale", ctypes.c_float),
    )


def draw(share: float, *, training: bool) -> Drop:
    """A new seed, from PyTorch's own generator; nothing is dropped outside training.

    ``share`` is taken to the nearest 2**-32.
    """
    dropped = min(round(share * 2**32), 2**32 - 1) if training else 0
    if dropped == 0:
        return Drop(first=0, second=0, dropped=0, scale=1.0)
    first, second = torch.empty(2, dtype=torch.int64).random_(2**32).tolist()
    return Drop(first=first, second=second, dropped=dropped, scale=1 / (1 - dropped / 2**32))

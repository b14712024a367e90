"""Sums of what programs left apart, in the order of the programs."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_MOST = 8192  # numbers that a program adds at a time


@triton.jit
def _add_up(parts, out, count, size, COUNT: tl.constexpr, SIZE: tl.constexpr):
    i, c = tl.arange(0, COUNT).to(tl.int64), (tl.program_id(0) * SIZE + tl.arange(0, SIZE)).to(tl.int64)
    total = tl.zeros((SIZE,), tl.float32)
    for first in range(0, count, COUNT):
        there = (first + i < count)[:, None] & (c < size)[None, :]
        total += tl.sum(tl.load(parts + (first + i)[:, None] * size + c[None, :], mask=there, other=0.0), 0)
    tl.store(out + c, total, mask=c < size)


def added_up(parts: Tensor) -> Tensor:
    """Float32 (parts, ...) to (...), contiguous; of one part itself."""
    if len(parts) == 1:
        return parts[0]
    out = torch.empty_like(parts[0])
    together = min(128, triton.next_power_of_2(len(parts)))
    wide = max(16, min(_MOST // together // 8, 512))
    _add_up[(triton.cdiv(out.numel(), wide),)](parts, out, len(parts), out.numel(), COUNT=together, SIZE=wide)
    return out

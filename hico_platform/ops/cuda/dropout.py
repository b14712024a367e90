"""Dropout, and ReLU before it.

As in the CPU's kernels, an element is kept where a hash of a seed and its place reaches a bound, so no mask is stored;
the seed is drawn on the GPU, so that a recorded step draws anew.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_RUN = 2048  # elements of a program


@triton.jit
def _mixed(x):
    x = (x ^ (x >> 16)) * tl.full((), 0x7FEB352D, tl.uint32)
    x = (x ^ (x >> 15)) * tl.full((), 0x846CA68B, tl.uint32)
    return x ^ (x >> 16)


@triton.jit
def _bits(place, seed):
    """32 random bits of a place (int64), as the CPU's kernels make them (numbers.h)."""
    first, second = tl.load(seed).to(tl.uint32), tl.load(seed + 1).to(tl.uint32)
    second += (place >> 32).to(tl.uint32) * tl.full((), 0x9E3779B9, tl.uint32)
    return _mixed(_mixed(place.to(tl.uint32) ^ first) + second)


@triton.jit
def kept(place, seed, dropped, scale):
    """What the element at ``place`` (int64) is multiplied by."""
    return tl.where(_bits(place, seed) >= dropped.to(tl.uint32), scale, 0.0)


@triton.jit
def _relu_dropout_forward(given, left, seed, dropped, scale, size, RUN: tl.constexpr, DROP: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * RUN + tl.arange(0, RUN)
    value = tl.load(given + at, mask=at < size, other=0.0).to(tl.float32)
    value = tl.where(value <= 0.0, 0.0, value)
    if DROP:
        value *= kept(at, seed, dropped, scale)
    tl.store(left + at, value.to(left.dtype.element_ty), mask=at < size)


@triton.jit
def _relu_dropout_backward(left, given, moved, scale, size, RUN: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * RUN + tl.arange(0, RUN)
    gradient = tl.load(given + at, mask=at < size, other=0.0).to(tl.float32) * scale
    passes = tl.load(left + at, mask=at < size, other=0.0).to(tl.float32) != 0.0
    tl.store(moved + at, tl.where(passes, gradient, 0.0).to(moved.dtype.element_ty), mask=at < size)


class DeviceDrop:
    """One draw of a dropout of ``share``, taken to the nearest 2**-32; nothing is dropped outside training."""

    def __init__(self, share: float, *, training: bool, device: torch.device) -> None:
        self.dropped = min(round(share * 2**32), 2**32 - 1) if training else 0
        self.scale = 1 / (1 - self.dropped / 2**32)
        # Two words of 32 bits; where nothing is dropped no kernel reads them.
        self.seed = torch.randint(-(2**31), 2**31, (2,), dtype=torch.int32, device=device) if self.dropped else None

    def arguments(self, stand_in: Tensor) -> tuple[Tensor, int, float]:
        """As kernels take them."""
        return stand_in if self.seed is None else self.seed, self.dropped, self.scale


class ReluDropout(torch.autograd.Function):
    """Dropout of what is above zero."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, drop: DeviceDrop) -> Tensor:
        """Of the shape of ``hidden``."""
        hidden = hidden.contiguous()
        left, size = torch.empty_like(hidden), hidden.numel()
        _relu_dropout_forward[(triton.cdiv(size, _RUN),)](
            hidden, left, *drop.arguments(hidden), size, RUN=_RUN, DROP=drop.dropped > 0
        )
        ctx.save_for_backward(left)
        ctx.scale = drop.scale
        return left

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """It passes where something is left."""
        (left,) = ctx.saved_tensors
        moved, size = torch.empty_like(left), left.numel()
        _relu_dropout_backward[(triton.cdiv(size, _RUN),)](
            left, gradients[0].contiguous(), moved, ctx.scale, size, RUN=_RUN
        )
        return moved, None


def dropped(values: Tensor, drop: DeviceDrop) -> Tensor:
    """``values`` above zero, some of them dropped."""
    return ReluDropout.apply(values, drop)  # type: ignore[no-any-return, no-untyped-call]


def supports(x: Tensor) -> bool:
    """Any tensor."""
    return True


def relu_dropout(x: Tensor, *, dropout: float) -> Tensor:
    """ReLU, then dropout."""
    return dropped(x, DeviceDrop(dropout, training=dropout > 0, device=x.device))

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

_BLOCK = 2048  # elements of a program


@triton.jit
def _mixed(x):
    x = (x ^ (x >> 16)) * tl.full((), 0x7FEB352D, tl.uint32)
    x = (x ^ (x >> 15)) * tl.full((), 0x846CA68B, tl.uint32)
    return x ^ (x >> 16)


@triton.jit
def _bits(offset, seed):
    """32 random bits of a place (int64), as the CPU's kernels make them (numbers.h)."""
    first, second = tl.load(seed).to(tl.uint32), tl.load(seed + 1).to(tl.uint32)
    second += (offset >> 32).to(tl.uint32) * tl.full((), 0x9E3779B9, tl.uint32)
    return _mixed(_mixed(offset.to(tl.uint32) ^ first) + second)


@triton.jit
def kept(offset, seed, dropped, scale):
    """What the element at ``place`` (int64) is multiplied by."""
    return tl.where(_bits(offset, seed) >= dropped.to(tl.uint32), scale, 0.0)


@triton.jit
def _relu_dropout_forward(
    x,  # (size,)
    out,  # (size,)
    seed,  # int32 (2,) on the GPU
    dropped,  # an element whose 32 random bits are below it is dropped
    scale,  # 1 / (1 - dropout)
    size,  # elements
    BLOCK: tl.constexpr,  # elements of a program
    DROPOUT: tl.constexpr,  # whether anything is dropped
):
    offset = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + offset, mask=offset < size, other=0.0).to(tl.float32)
    value = tl.where(value <= 0.0, 0.0, value)
    if DROPOUT:
        value *= kept(offset, seed, dropped, scale)
    tl.store(out + offset, value.to(out.dtype.element_ty), mask=offset < size)


@triton.jit
def _relu_dropout_backward(
    out,  # (size,), which is 0 where nothing passes
    grad_out,  # (size,)
    grad_x,  # out: gradient of x
    scale,  # 1 / (1 - dropout)
    size,  # elements
    BLOCK: tl.constexpr,  # elements of a program
):
    offset = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    gradient = tl.load(grad_out + offset, mask=offset < size, other=0.0).to(tl.float32) * scale
    passes = tl.load(out + offset, mask=offset < size, other=0.0).to(tl.float32) != 0.0
    tl.store(grad_x + offset, tl.where(passes, gradient, 0.0).to(grad_x.dtype.element_ty), mask=offset < size)


class DropoutDraw:
    """One draw of a dropout, its probability to the nearest 2**-32; nothing is dropped outside training."""

    def __init__(self, probability: float, *, training: bool, device: torch.device) -> None:
        self.dropped = min(round(probability * 2**32), 2**32 - 1) if training else 0
        self.scale = 1 / (1 - self.dropped / 2**32)
        # Two words of 32 bits; where nothing is dropped no kernel reads them.
        self.seed = torch.randint(-(2**31), 2**31, (2,), dtype=torch.int32, device=device) if self.dropped else None

    def arguments(self, stand_in: Tensor) -> tuple[Tensor, int, float]:
        """As kernels take them."""
        return stand_in if self.seed is None else self.seed, self.dropped, self.scale


class ReluDropout(torch.autograd.Function):
    """Dropout of what is above zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, draw: DropoutDraw) -> Tensor:
        """Of the shape of ``x``."""
        x = x.contiguous()
        out, size = torch.empty_like(x), x.numel()
        _relu_dropout_forward[(triton.cdiv(size, _BLOCK),)](
            x, out, *draw.arguments(x), size, BLOCK=_BLOCK, DROPOUT=draw.dropped > 0
        )
        ctx.save_for_backward(out)
        ctx.scale = draw.scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """It passes where something is left."""
        (out,) = ctx.saved_tensors
        grad_x, size = torch.empty_like(out), out.numel()
        _relu_dropout_backward[(triton.cdiv(size, _BLOCK),)](
            out, gradients[0].contiguous(), grad_x, ctx.scale, size, BLOCK=_BLOCK
        )
        return grad_x, None


def supports(x: Tensor) -> bool:
    """Any tensor."""
    return True


def relu_dropout(x: Tensor, *, dropout: float) -> Tensor:
    """dropout(relu(x)), of the shape of ``x``."""
    draw = DropoutDraw(dropout, training=dropout > 0, device=x.device)
    return ReluDropout.apply(x, draw)  # type: ignore[no-any-return, no-untyped-call]

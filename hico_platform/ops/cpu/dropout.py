"""Dropout whose mask is a hash of a seed and of each element's index: nothing of it is stored."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import call, suffix


class Dropout(ctypes.Structure):
    """One draw of a dropout mask, as the kernels take it: the C structure of that name."""

    _fields_ = (
        ("seed_low", ctypes.c_uint32),
        ("seed_high", ctypes.c_uint32),
        ("threshold", ctypes.c_uint32),  # an element whose 32 random bits are below it is dropped
        ("scale", ctypes.c_float),  # of the elements that are kept
    )


def draw(dropout: float) -> Dropout:
    """A new seed, from PyTorch's own generator; none is drawn where ``dropout`` is 0.

    The probability is rounded to the nearest multiple of 2**-32.
    """
    threshold = min(round(dropout * 2**32), 2**32 - 1)
    if threshold == 0:
        return Dropout(seed_low=0, seed_high=0, threshold=0, scale=1.0)
    low, high = torch.empty(2, dtype=torch.int64).random_(2**32).tolist()
    return Dropout(seed_low=low, seed_high=high, threshold=threshold, scale=1 / (1 - threshold / 2**32))


def supports(x: Tensor) -> bool:
    """Any tensor."""
    return True


def relu_dropout(x: Tensor, *, dropout: float) -> Tensor:
    """ReLU, then dropout, in the memory of ``x``."""
    return ReluDropout.apply(x, draw(dropout))  # type: ignore[no-any-return, no-untyped-call]


class ReluDropout(torch.autograd.Function):
    """In the memory of its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dropout: Dropout) -> Tensor:
        """Of the shape of ``x``, which is not read again."""
        out = x.detach()
        call(f"relu_dropout_forward_{suffix(out.dtype)}", out, out.numel(), dropout)
        ctx.save_for_backward(out)
        ctx.scale = dropout.scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """It passes where something is left."""
        (out,) = ctx.saved_tensors
        grad_x = torch.empty_like(out)
        call(
            f"relu_dropout_backward_{suffix(out.dtype)}", out, gradients[0].contiguous(), grad_x, out.numel(), ctx.scale
        )
        return grad_x, None

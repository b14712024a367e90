"""The maximum over the tokens of each granularity, a sequence and granularity to a program.

P: tokens of all granularities, N: sequences, G: granularities, D: width. Everything is contiguous.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.launch import first_tokens


@triton.jit
def _maximum_forward(
    x,  # (., D) rows
    token_offsets,  # int32 (G + 1,): each granularity's first token
    maximum,  # (N, G, D)
    count,  # N, sequences
    granularities,  # G
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
):
    n, g, j = tl.program_id(0), tl.program_id(1), tl.program_id(2) * BLOCK_D + tl.arange(0, BLOCK_D)
    mask = j < D
    begin, end = tl.load(token_offsets + g).to(tl.int64), tl.load(token_offsets + g + 1).to(tl.int64)
    maximum_value = tl.load(x + (begin * count + n) * D + j, mask=mask, other=0.0).to(tl.float32)
    for token in range(begin + 1, end):
        value = tl.load(x + (token * count + n) * D + j, mask=mask, other=0.0).to(tl.float32)
        maximum_value = tl.where((value > maximum_value) | (value != value), value, maximum_value)  # noqa: PLR0124  a NaN stays one
    tl.store(
        maximum + (n * granularities + g).to(tl.int64) * D + j, maximum_value.to(maximum.dtype.element_ty), mask=mask
    )


@triton.jit
def _maximum_backward(
    x,  # (., D) rows
    token_offsets,  # int32 (G + 1,): each granularity's first token
    maximum,  # (N, G, D)
    grad_out,  # gradient of the output
    grad_x,  # out: gradient of x
    count,  # N, sequences
    granularities,  # G
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
):
    n, g, j = tl.program_id(0), tl.program_id(1), tl.program_id(2) * BLOCK_D + tl.arange(0, BLOCK_D)
    mask = j < D
    begin, end = tl.load(token_offsets + g).to(tl.int64), tl.load(token_offsets + g + 1).to(tl.int64)
    offset = (n * granularities + g).to(tl.int64) * D + j
    maximum_value = tl.load(maximum + offset, mask=mask, other=0.0).to(tl.float32)
    equal_count = tl.zeros((BLOCK_D,), tl.float32)
    for token in range(begin, end):
        value = tl.load(x + (token * count + n) * D + j, mask=mask, other=0.0).to(tl.float32)
        equal_count += tl.where(value == maximum_value, 1.0, 0.0)
    grad_share = tl.load(grad_out + offset, mask=mask, other=0.0).to(tl.float32) / equal_count
    for token in range(begin, end):
        x_offset = (token * count + n) * D + j
        equal = tl.load(x + x_offset, mask=mask, other=0.0).to(tl.float32) == maximum_value
        tl.store(grad_x + x_offset, tl.where(equal, grad_share, 0.0).to(grad_x.dtype.element_ty), mask=mask)


class TokenMaximum(torch.autograd.Function):
    """The maximum over the tokens of each granularity, whose gradient is shared out among equals."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (N, G, D)."""
        x = x.contiguous()
        _, count, width = x.shape
        maximum = x.new_empty(count, len(lengths), width)
        ctx.token_offsets = first_tokens(lengths, x.device)
        _maximum_forward[_maximum_grid(maximum)](
            x, ctx.token_offsets, maximum, count, len(lengths), D=width, BLOCK_D=128
        )
        ctx.save_for_backward(x, maximum)
        return maximum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """(N, G, D) to (P, N, D)."""
        x, maximum = ctx.saved_tensors
        count, granularities, width = maximum.shape
        grad_x = torch.empty_like(x)
        _maximum_backward[_maximum_grid(maximum)](
            x, ctx.token_offsets, maximum, gradients[0].contiguous(), grad_x, count, granularities, D=width, BLOCK_D=128
        )
        return grad_x, None


def _maximum_grid(maximum: Tensor) -> tuple[int, int, int]:
    count, granularities, width = maximum.shape
    return count, granularities, triton.cdiv(width, 128)


def supports(x: Tensor) -> bool:
    """Any tensor."""
    return True


def token_max(x: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """(P, N, D) to (N, G, D)."""
    return TokenMaximum.apply(x, lengths)  # type: ignore[no-any-return, no-untyped-call]

"""The unified downsampling module, a pair of tokens of a sequence to a program.

P: tokens of all granularities, L: of the first, N: sequences, D: width. Tokens are contiguous, in float32 or bfloat16;
parameters and their gradients are float32.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.launch import row_sizes
from hico_platform.ops.cuda.norm import through_norm
from hico_platform.ops.cuda.reduce import added_up

_PARTS = 264  # programs that share out the pairs whose gradients are summed: two a multiprocessor of an H100
_SUMS = 8  # gamma, beta, bias and the five weights of the convolution


@triton.jit
def _token(
    levels,  # (P, N, D) tokens of all granularities
    token,  # token of levels
    first,  # first token of the level that is read
    last,  # its end
    count,  # N, sequences
    n,  # sequence
    j,  # channels
    mask,  # channels that there are
    D: tl.constexpr,  # width
):
    """One of a level's tokens, zeros beyond its ends."""
    inside = (token >= first) & (token < last)
    return tl.load(levels + (token * count + n) * D + j, mask=mask & inside, other=0.0).to(tl.float32)


@triton.jit
def _normed(row, mask, D: tl.constexpr, eps):
    mean = tl.sum(tl.where(mask, row, 0.0), 0) / D
    centred = tl.where(mask, row - mean, 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(centred * centred, 0) / D + eps)
    return centred * rstd, rstd


@triton.jit
def _pair(
    levels,  # (P, N, D) tokens of all granularities
    even,  # first token of the pair
    first,  # first token of the level that is read
    last,  # its end
    count,  # N, sequences
    n,  # sequence
    j,  # channels
    mask,  # channels that there are
    w0,  # taps
    w1,  # taps
    w2,  # taps
    w3,  # taps
    w4,  # taps
    bias,  # (D,)
    D: tl.constexpr,  # width
):
    """The convolution at a pair's tokens, and the six tokens that it reads."""
    a = _token(levels, even - 2, first, last, count, n, j, mask, D)
    b = _token(levels, even - 1, first, last, count, n, j, mask, D)
    c = _token(levels, even, first, last, count, n, j, mask, D)
    d = _token(levels, even + 1, first, last, count, n, j, mask, D)
    e = _token(levels, even + 2, first, last, count, n, j, mask, D)
    f = _token(levels, even + 3, first, last, count, n, j, mask, D)
    at_even = bias + a * w0 + b * w1 + c * w2 + d * w3 + e * w4
    at_odd = bias + b * w0 + c * w1 + d * w2 + e * w3 + f * w4
    return at_even, at_odd, a, b, c, d, e, f


@triton.jit
def _forward(
    levels,  # (P, N, D) tokens of all granularities
    taps,  # float32 (5, D) of the convolution
    bias,  # (D,)
    norm_weight,  # float32 (D,)
    norm_bias,  # float32 (D,)
    eps,  # added to the variance
    first,  # first token of the level that is read
    last,  # its end
    first_out,  # first token of the level that is made
    chosen,  # uint8 (pairs, N, D): 1 or 2 for the larger token of a pair, 0 where ReLU is 0
    count,  # N, sequences
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
    SAVE_CHOICE: tl.constexpr,  # whether a backward pass may follow
):
    pair, n, j = (tl.program_id(0) // count).to(tl.int64), tl.program_id(0) % count, tl.arange(0, BLOCK_D)
    mask = j < D
    w0, w1 = tl.load(taps + j, mask=mask, other=0.0), tl.load(taps + D + j, mask=mask, other=0.0)
    w2, w3 = tl.load(taps + 2 * D + j, mask=mask, other=0.0), tl.load(taps + 3 * D + j, mask=mask, other=0.0)
    w4, shift = tl.load(taps + 4 * D + j, mask=mask, other=0.0), tl.load(bias + j, mask=mask, other=0.0)
    g, b = tl.load(norm_weight + j, mask=mask, other=0.0), tl.load(norm_bias + j, mask=mask, other=0.0)
    even, odd, _a, _b, _c, _d, _e, _f = _pair(
        levels, first + 2 * pair, first, last, count, n, j, mask, w0, w1, w2, w3, w4, shift, D
    )
    even, _rstd = _normed(even, mask, D, eps)
    odd, _rstd = _normed(odd, mask, D, eps)
    even, odd = even * g + b, odd * g + b
    higher = tl.where(odd > even, odd, even)  # the first of equals, as a pooling takes
    value = tl.where(higher <= 0.0, 0.0, higher)
    at = ((first_out + pair) * count + n) * D + j
    tl.store(levels + at, value.to(levels.dtype.element_ty), mask=mask)
    if SAVE_CHOICE:
        which = tl.where(higher <= 0.0, 0, tl.where(odd > even, 2, 1))
        tl.store(chosen + (pair * count + n) * D + j, which.to(tl.uint8), mask=mask)


@triton.jit
def _backward(
    levels,  # (P, N, D) tokens of all granularities
    taps,  # float32 (5, D) of the convolution
    bias,  # (D,)
    norm_weight,  # float32 (D,)
    eps,  # added to the variance
    first,  # first token of the level that is read
    last,  # its end
    first_out,  # first token of the level that is made
    chosen,  # uint8 (pairs, N, D): 1 or 2 for the larger token of a pair, 0 where ReLU is 0
    grad_levels,  # (P, N, D) gradient of levels
    grad_convolution,  # float32 (2 * pairs, N, D): gradient of the convolution's output
    sums,  # float32 out (programs, gradients of parameters, D)
    pairs,  # pairs of tokens
    count,  # N, sequences
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
):
    """From the gradient of a level's output to that of its convolution and its parameters."""
    part, j = tl.program_id(0), tl.arange(0, BLOCK_D)
    mask = j < D
    w0, w1 = tl.load(taps + j, mask=mask, other=0.0), tl.load(taps + D + j, mask=mask, other=0.0)
    w2, w3 = tl.load(taps + 2 * D + j, mask=mask, other=0.0), tl.load(taps + 3 * D + j, mask=mask, other=0.0)
    w4, shift = tl.load(taps + 4 * D + j, mask=mask, other=0.0), tl.load(bias + j, mask=mask, other=0.0)
    g = tl.load(norm_weight + j, mask=mask, other=0.0)
    grad_norm_weight = tl.zeros((BLOCK_D,), tl.float32)
    grad_norm_bias = tl.zeros((BLOCK_D,), tl.float32)
    grad_bias = tl.zeros((BLOCK_D,), tl.float32)
    grad_w0 = tl.zeros((BLOCK_D,), tl.float32)
    grad_w1 = tl.zeros((BLOCK_D,), tl.float32)
    grad_w2 = tl.zeros((BLOCK_D,), tl.float32)
    grad_w3 = tl.zeros((BLOCK_D,), tl.float32)
    grad_w4 = tl.zeros((BLOCK_D,), tl.float32)
    for each in range(part, pairs * count, tl.num_programs(0)):
        pair, n = tl.zeros((), tl.int64) + each // count, each % count
        even, odd, a, b, c, d, e, f = _pair(
            levels, first + 2 * pair, first, last, count, n, j, mask, w0, w1, w2, w3, w4, shift, D
        )
        even, rstd_even = _normed(even, mask, D, eps)
        odd, rstd_odd = _normed(odd, mask, D, eps)
        gradient = tl.load(grad_levels + ((first_out + pair) * count + n) * D + j, mask=mask, other=0.0).to(tl.float32)
        which = tl.load(chosen + (pair * count + n) * D + j, mask=mask, other=0)
        grad_even, grad_odd = tl.where(which == 1, gradient, 0.0), tl.where(which == 2, gradient, 0.0)
        grad_norm_weight += grad_even * even + grad_odd * odd
        grad_norm_bias += grad_even + grad_odd
        grad_even, grad_odd = grad_even * g, grad_odd * g
        grad_even = through_norm(grad_even, even, rstd_even, D)
        grad_odd = through_norm(grad_odd, odd, rstd_odd, D)
        grad_bias += grad_even + grad_odd
        grad_w0 += grad_even * a + grad_odd * b
        grad_w1 += grad_even * b + grad_odd * c
        grad_w2 += grad_even * c + grad_odd * d
        grad_w3 += grad_even * d + grad_odd * e
        grad_w4 += grad_even * e + grad_odd * f
        at = grad_convolution + (2 * pair * count + n) * D + j
        tl.store(at, grad_even, mask=mask)
        tl.store(at + count * D, grad_odd, mask=mask)
    s = sums + part * 8 * D + j
    tl.store(s, grad_norm_weight, mask=mask)
    tl.store(s + D, grad_norm_bias, mask=mask)
    tl.store(s + 2 * D, grad_bias, mask=mask)
    tl.store(s + 3 * D, grad_w0, mask=mask)
    tl.store(s + 4 * D, grad_w1, mask=mask)
    tl.store(s + 5 * D, grad_w2, mask=mask)
    tl.store(s + 6 * D, grad_w3, mask=mask)
    tl.store(s + 7 * D, grad_w4, mask=mask)


@triton.jit
def _convolution_backward(
    grad_out,  # gradient of the output
    taps,  # float32 (5, D) of the convolution
    grad_convolution,  # float32 (2 * pairs, N, D): gradient of the convolution's output
    first,  # first token of the level that is read
    x,  # (., D) rows
    grad_levels,  # (P, N, D) gradient of levels
    count,  # N, sequences
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
):
    """A level's tokens' gradient: what arrived, and the convolution's (2 * pairs, N, D) through its weights."""
    token, n, j = (tl.program_id(0) // count).to(tl.int64), tl.program_id(0) % count, tl.arange(0, BLOCK_D)
    mask = j < D
    at = ((first + token) * count + n) * D + j
    value = tl.load(grad_out + at, mask=mask, other=0.0).to(tl.float32)
    for shift in tl.static_range(5):
        w = tl.load(taps + shift * D + j, mask=mask, other=0.0)
        value += w * _token(grad_convolution, token + 2 - shift, 0, x, count, n, j, mask, D)
    tl.store(grad_levels + at, value.to(grad_levels.dtype.element_ty), mask=mask)


class Downsample(torch.autograd.Function):
    """All granularities in one tensor."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor, eps: float,
        lengths: tuple[int, ...],
    ) -> Tensor:  # fmt: skip
        """``x`` (L, N, D), ``taps`` (5, D), the others (D,); gives (P, N, D)."""
        length, count, width = x.shape
        bounds = [0, *accumulate(lengths)]
        needs_grad = any(ctx.needs_input_grad)
        levels = x.new_empty(bounds[-1], count, width)
        levels[:length] = x
        chosen = torch.empty_like(levels[length:], dtype=torch.uint8) if needs_grad else levels
        for first, last, end in _levels(bounds):
            _forward[((end - last) * count,)](
                levels, taps, bias, norm_weight, norm_bias, eps, first, last, last, chosen[last - length :], count,
                SAVE_CHOICE=needs_grad, **row_sizes(width),
            )  # fmt: skip
        if needs_grad:
            ctx.save_for_backward(levels, taps, bias, norm_weight, chosen)
            ctx.bounds, ctx.epsilon = bounds, eps
        return levels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, taps, bias, gamma and beta."""
        levels, taps, bias, norm_weight, chosen = ctx.saved_tensors
        bounds: list[int] = ctx.bounds
        length, (_, count, width) = bounds[1], levels.shape
        grad_out = gradients[0].contiguous()
        if len(bounds) == 2:
            return grad_out, *(torch.zeros_like(each) for each in (taps, bias, norm_weight, norm_weight)), None, None
        grad_levels = torch.empty_like(levels)  # what arrives at each level, those above it included
        grad_levels[bounds[-2] :] = grad_out[bounds[-2] :]
        parts = []
        for first, last, end in reversed(_levels(bounds)):
            grad_convolution = taps.new_empty(2 * (end - last), count, width)
            sums = taps.new_empty(min(_PARTS, (end - last) * count), _SUMS, width)
            _backward[(len(sums),)](
                levels, taps, bias, norm_weight, ctx.epsilon, first, last, last, chosen[last - length :], grad_levels,
                grad_convolution, sums, end - last, count, **row_sizes(width),
            )  # fmt: skip
            _convolution_backward[((last - first) * count,)](
                grad_out, taps, grad_convolution, first, len(grad_convolution), grad_levels, count, **row_sizes(width)
            )
            parts.append(sums)
        grad_norm_weight, grad_norm_bias, grad_bias, *grad_taps = added_up(torch.cat(parts))
        return grad_levels[:length], torch.stack(grad_taps), grad_bias, grad_norm_weight, grad_norm_bias, None, None


def _levels(bounds: list[int]) -> list[tuple[int, int, int]]:
    """Of each level that is halved: its first token, and the first and last (exclusive) of what comes out."""
    return list(zip(bounds[:-2], bounds[1:-1], bounds[2:], strict=True))


def supports(x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor) -> bool:
    """A convolution over five tokens."""
    return len(taps) == 5


def downsample(
    x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor, *, lengths: tuple[int, ...],
    eps: float,
) -> Tensor:  # fmt: skip
    """(L, N, D), ``taps`` (5, D), the others (D,), to (P, N, D)."""
    return Downsample.apply(x, taps, bias, norm_weight, norm_bias, eps, lengths)  # type: ignore[no-any-return, no-untyped-call]

"""The unified downsampling module, a pair of tokens of a sequence to a program, and the maximum over tokens."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.launch import first_tokens, row_sizes
from hico_platform.ops.cuda.norms import through_norm
from hico_platform.ops.cuda.reduce import added_up

_PARTS = 264  # programs that share out the pairs whose gradients are summed: two a multiprocessor of an H100
_SUMS = 8  # gamma, beta, bias and the five weights of the convolution


@triton.jit
def _token(levels, token, first, last, count, n, j, there, D: tl.constexpr):
    """One of a level's tokens, zeros beyond its ends."""
    inside = (token >= first) & (token < last)
    return tl.load(levels + (token * count + n) * D + j, mask=there & inside, other=0.0).to(tl.float32)


@triton.jit
def _normed(row, there, D: tl.constexpr, epsilon):
    mean = tl.sum(tl.where(there, row, 0.0), 0) / D
    apart = tl.where(there, row - mean, 0.0)
    over = 1.0 / tl.sqrt(tl.sum(apart * apart, 0) / D + epsilon)
    return apart * over, over


@triton.jit
def _pair(levels, even, first, last, count, n, j, there, w0, w1, w2, w3, w4, bias, D: tl.constexpr):
    """The convolution at a pair's tokens, and the six tokens that it reads."""
    a = _token(levels, even - 2, first, last, count, n, j, there, D)
    b = _token(levels, even - 1, first, last, count, n, j, there, D)
    c = _token(levels, even, first, last, count, n, j, there, D)
    d = _token(levels, even + 1, first, last, count, n, j, there, D)
    e = _token(levels, even + 2, first, last, count, n, j, there, D)
    f = _token(levels, even + 3, first, last, count, n, j, there, D)
    at_even = bias + a * w0 + b * w1 + c * w2 + d * w3 + e * w4
    at_odd = bias + b * w0 + c * w1 + d * w2 + e * w3 + f * w4
    return at_even, at_odd, a, b, c, d, e, f


@triton.jit
def _forward(
    levels, taps, bias, gamma, beta, epsilon, first, last, to, chosen, count,
    D: tl.constexpr, WIDE: tl.constexpr, SAVE: tl.constexpr,
):  # fmt: skip
    pair, n, j = (tl.program_id(0) // count).to(tl.int64), tl.program_id(0) % count, tl.arange(0, WIDE)
    there = j < D
    w0, w1 = tl.load(taps + j, mask=there, other=0.0), tl.load(taps + D + j, mask=there, other=0.0)
    w2, w3 = tl.load(taps + 2 * D + j, mask=there, other=0.0), tl.load(taps + 3 * D + j, mask=there, other=0.0)
    w4, shift = tl.load(taps + 4 * D + j, mask=there, other=0.0), tl.load(bias + j, mask=there, other=0.0)
    g, b = tl.load(gamma + j, mask=there, other=0.0), tl.load(beta + j, mask=there, other=0.0)
    even, odd, _a, _b, _c, _d, _e, _f = _pair(
        levels, first + 2 * pair, first, last, count, n, j, there, w0, w1, w2, w3, w4, shift, D
    )
    even, _over = _normed(even, there, D, epsilon)
    odd, _over = _normed(odd, there, D, epsilon)
    even, odd = even * g + b, odd * g + b
    higher = tl.where(odd > even, odd, even)  # the first of equals, as a pooling takes
    value = tl.where(higher <= 0.0, 0.0, higher)
    at = ((to + pair) * count + n) * D + j
    tl.store(levels + at, value.to(levels.dtype.element_ty), mask=there)
    if SAVE:
        which = tl.where(higher <= 0.0, 0, tl.where(odd > even, 2, 1))
        tl.store(chosen + (pair * count + n) * D + j, which.to(tl.uint8), mask=there)


@triton.jit
def _backward(
    levels, taps, bias, gamma, epsilon, first, last, to, chosen, total, moved, sums, pairs, count,
    D: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """The gradient of a level's convolution in ``moved`` (2 * pairs, N, D), of its output's in ``total``."""
    part, j = tl.program_id(0), tl.arange(0, WIDE)
    there = j < D
    w0, w1 = tl.load(taps + j, mask=there, other=0.0), tl.load(taps + D + j, mask=there, other=0.0)
    w2, w3 = tl.load(taps + 2 * D + j, mask=there, other=0.0), tl.load(taps + 3 * D + j, mask=there, other=0.0)
    w4, shift = tl.load(taps + 4 * D + j, mask=there, other=0.0), tl.load(bias + j, mask=there, other=0.0)
    g = tl.load(gamma + j, mask=there, other=0.0)
    of_gamma = tl.zeros((WIDE,), tl.float32)
    of_beta = tl.zeros((WIDE,), tl.float32)
    of_bias = tl.zeros((WIDE,), tl.float32)
    of_0 = tl.zeros((WIDE,), tl.float32)
    of_1 = tl.zeros((WIDE,), tl.float32)
    of_2 = tl.zeros((WIDE,), tl.float32)
    of_3 = tl.zeros((WIDE,), tl.float32)
    of_4 = tl.zeros((WIDE,), tl.float32)
    for each in range(part, pairs * count, tl.num_programs(0)):
        pair, n = tl.zeros((), tl.int64) + each // count, each % count
        even, odd, a, b, c, d, e, f = _pair(
            levels, first + 2 * pair, first, last, count, n, j, there, w0, w1, w2, w3, w4, shift, D
        )
        even, over_even = _normed(even, there, D, epsilon)
        odd, over_odd = _normed(odd, there, D, epsilon)
        gradient = tl.load(total + ((to + pair) * count + n) * D + j, mask=there, other=0.0).to(tl.float32)
        which = tl.load(chosen + (pair * count + n) * D + j, mask=there, other=0)
        of_even, of_odd = tl.where(which == 1, gradient, 0.0), tl.where(which == 2, gradient, 0.0)
        of_gamma += of_even * even + of_odd * odd
        of_beta += of_even + of_odd
        of_even, of_odd = of_even * g, of_odd * g
        of_even = through_norm(of_even, even, over_even, D)
        of_odd = through_norm(of_odd, odd, over_odd, D)
        of_bias += of_even + of_odd
        of_0 += of_even * a + of_odd * b
        of_1 += of_even * b + of_odd * c
        of_2 += of_even * c + of_odd * d
        of_3 += of_even * d + of_odd * e
        of_4 += of_even * e + of_odd * f
        at = moved + (2 * pair * count + n) * D + j
        tl.store(at, of_even, mask=there)
        tl.store(at + count * D, of_odd, mask=there)
    s = sums + part * 8 * D + j
    tl.store(s, of_gamma, mask=there)
    tl.store(s + D, of_beta, mask=there)
    tl.store(s + 2 * D, of_bias, mask=there)
    tl.store(s + 3 * D, of_0, mask=there)
    tl.store(s + 4 * D, of_1, mask=there)
    tl.store(s + 5 * D, of_2, mask=there)
    tl.store(s + 6 * D, of_3, mask=there)
    tl.store(s + 7 * D, of_4, mask=there)


@triton.jit
def _spread(given, taps, moved, first, tokens, total, count, D: tl.constexpr, WIDE: tl.constexpr):
    """A level's tokens' gradient: what arrived, and the convolution's (2 * pairs, N, D) through its weights."""
    token, n, j = (tl.program_id(0) // count).to(tl.int64), tl.program_id(0) % count, tl.arange(0, WIDE)
    there = j < D
    at = ((first + token) * count + n) * D + j
    value = tl.load(given + at, mask=there, other=0.0).to(tl.float32)
    for shift in tl.static_range(5):
        w = tl.load(taps + shift * D + j, mask=there, other=0.0)
        value += w * _token(moved, token + 2 - shift, 0, tokens, count, n, j, there, D)
    tl.store(total + at, value.to(total.dtype.element_ty), mask=there)


class Downsample(torch.autograd.Function):
    """All granularities in one tensor."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, taps: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, epsilon: float,
        lengths: tuple[int, ...],
    ) -> Tensor:  # fmt: skip
        """``tokens`` (L, N, D), ``taps`` (5, D), the others (D,); gives (P, N, D)."""
        length, count, width = tokens.shape
        bounds = [0, *accumulate(lengths)]
        wanted = any(ctx.needs_input_grad)
        levels = tokens.new_empty(bounds[-1], count, width)
        levels[:length] = tokens
        chosen = torch.empty_like(levels[length:], dtype=torch.uint8) if wanted else levels
        for first, last, end in _levels(bounds):
            _forward[((end - last) * count,)](
                levels, taps, bias, gamma, beta, epsilon, first, last, last, chosen[last - length :], count,
                SAVE=wanted, **row_sizes(width),
            )  # fmt: skip
        if wanted:
            ctx.save_for_backward(levels, taps, bias, gamma, chosen)
            ctx.bounds, ctx.epsilon = bounds, epsilon
        return levels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, taps, bias, gamma and beta."""
        levels, taps, bias, gamma, chosen = ctx.saved_tensors
        bounds: list[int] = ctx.bounds
        length, (_, count, width) = bounds[1], levels.shape
        given = gradients[0].contiguous()
        if len(bounds) == 2:
            return given, *(torch.zeros_like(each) for each in (taps, bias, gamma, gamma)), None, None
        total = torch.empty_like(levels)  # what arrives at each level, those above it included
        total[bounds[-2] :] = given[bounds[-2] :]
        parts = []
        for first, last, end in reversed(_levels(bounds)):
            moved = taps.new_empty(2 * (end - last), count, width)
            sums = taps.new_empty(min(_PARTS, (end - last) * count), _SUMS, width)
            _backward[(len(sums),)](
                levels, taps, bias, gamma, ctx.epsilon, first, last, last, chosen[last - length :], total, moved, sums,
                end - last, count, **row_sizes(width),
            )  # fmt: skip
            _spread[((last - first) * count,)](given, taps, moved, first, len(moved), total, count, **row_sizes(width))
            parts.append(sums)
        of_gamma, of_beta, of_bias, *of_taps = added_up(torch.cat(parts))
        return total[:length], torch.stack(of_taps), of_bias, of_gamma, of_beta, None, None


def _levels(bounds: list[int]) -> list[tuple[int, int, int]]:
    """Of each level that is halved: its first token, and the first and last (exclusive) of what comes out."""
    return list(zip(bounds[:-2], bounds[1:-1], bounds[2:], strict=True))


@triton.jit
def _maximum_forward(tokens, first, maximum, count, granularities, D: tl.constexpr, WIDE: tl.constexpr):
    n, g, j = tl.program_id(0), tl.program_id(1), tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    there = j < D
    begin, end = tl.load(first + g).to(tl.int64), tl.load(first + g + 1).to(tl.int64)
    highest = tl.load(tokens + (begin * count + n) * D + j, mask=there, other=0.0).to(tl.float32)
    for token in range(begin + 1, end):
        value = tl.load(tokens + (token * count + n) * D + j, mask=there, other=0.0).to(tl.float32)
        highest = tl.where((value > highest) | (value != value), value, highest)  # noqa: PLR0124  a NaN stays one
    tl.store(maximum + (n * granularities + g).to(tl.int64) * D + j, highest.to(maximum.dtype.element_ty), mask=there)


@triton.jit
def _maximum_backward(tokens, first, maximum, given, spread, count, granularities, D: tl.constexpr, WIDE: tl.constexpr):
    n, g, j = tl.program_id(0), tl.program_id(1), tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    there = j < D
    begin, end = tl.load(first + g).to(tl.int64), tl.load(first + g + 1).to(tl.int64)
    at = (n * granularities + g).to(tl.int64) * D + j
    highest = tl.load(maximum + at, mask=there, other=0.0).to(tl.float32)
    equals = tl.zeros((WIDE,), tl.float32)
    for token in range(begin, end):
        value = tl.load(tokens + (token * count + n) * D + j, mask=there, other=0.0).to(tl.float32)
        equals += tl.where(value == highest, 1.0, 0.0)
    share = tl.load(given + at, mask=there, other=0.0).to(tl.float32) / equals
    for token in range(begin, end):
        place = (token * count + n) * D + j
        equal = tl.load(tokens + place, mask=there, other=0.0).to(tl.float32) == highest
        tl.store(spread + place, tl.where(equal, share, 0.0).to(spread.dtype.element_ty), mask=there)


class TokenMaximum(torch.autograd.Function):
    """The maximum over the tokens of each granularity, whose gradient is shared out among equals."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (N, G, D)."""
        tokens = tokens.contiguous()
        _, count, width = tokens.shape
        maximum = tokens.new_empty(count, len(lengths), width)
        ctx.first = first_tokens(lengths, tokens.device)
        _maximum_forward[_maximum_grid(maximum)](tokens, ctx.first, maximum, count, len(lengths), D=width, WIDE=128)
        ctx.save_for_backward(tokens, maximum)
        return maximum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """(N, G, D) to (P, N, D)."""
        tokens, maximum = ctx.saved_tensors
        count, granularities, width = maximum.shape
        spread = torch.empty_like(tokens)
        _maximum_backward[_maximum_grid(maximum)](
            tokens, ctx.first, maximum, gradients[0].contiguous(), spread, count, granularities, D=width, WIDE=128
        )
        return spread, None


def _maximum_grid(maximum: Tensor) -> tuple[int, int, int]:
    count, granularities, width = maximum.shape
    return count, granularities, triton.cdiv(width, 128)

"""LayerNorm with what comes before and after it, a row to a program."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.dropout import DeviceDrop, kept
from hico_platform.ops.cuda.launch import row_sizes
from hico_platform.ops.cuda.reduce import added_up

_PARTS = 528  # programs that share out the rows whose gradients are summed: four a multiprocessor of an H100


@triton.jit
def _moments(row, there, D: tl.constexpr, epsilon):
    mean = tl.sum(row, 0) / D
    apart = tl.where(there, row - mean, 0.0)
    return mean, 1.0 / tl.sqrt(tl.sum(apart * apart, 0) / D + epsilon)


@triton.jit
def through_norm(given, unit, over, D: tl.constexpr):
    """A row's gradient before LayerNorm: ``given`` times gamma arrives, ``unit`` is the row normalised by ``over``."""
    return over * (given - tl.sum(given, 0) / D - unit * (tl.sum(given * unit, 0) / D))


@triton.jit
def _add_norm_forward(
    tokens, more, gamma, beta, epsilon, seed, dropped, scale, both, made, moments,
    D: tl.constexpr, WIDE: tl.constexpr, DROP: tl.constexpr, SAVE: tl.constexpr,
):  # fmt: skip
    r, j = tl.program_id(0).to(tl.int64), tl.arange(0, WIDE)
    there, at = j < D, r * D + j
    added = tl.load(more + at, mask=there, other=0.0).to(tl.float32)
    if DROP:
        added *= kept(at, seed, dropped, scale)
    row = tl.load(tokens + at, mask=there, other=0.0).to(tl.float32) + added
    if SAVE:
        tl.store(both + at, row.to(both.dtype.element_ty), mask=there)
    mean, over = _moments(row, there, D, epsilon)
    g, b = tl.load(gamma + j, mask=there, other=0.0), tl.load(beta + j, mask=there, other=0.0)
    tl.store(made + at, ((row - mean) * over * g + b).to(made.dtype.element_ty), mask=there)
    if SAVE:
        tl.store(moments + 2 * r, mean)
        tl.store(moments + 2 * r + 1, over)


@triton.jit
def _add_norm_backward(
    both, moments, given, gamma, seed, dropped, scale, of_tokens, of_more, sums, rows,
    D: tl.constexpr, WIDE: tl.constexpr, DROP: tl.constexpr,
):  # fmt: skip
    part, j = tl.program_id(0), tl.arange(0, WIDE)
    there = j < D
    g = tl.load(gamma + j, mask=there, other=0.0)
    of_gamma = tl.zeros((WIDE,), tl.float32)
    of_beta = tl.zeros((WIDE,), tl.float32)
    for row in range(part, rows, tl.num_programs(0)):
        r = tl.zeros((), tl.int64) + row
        at = r * D + j
        gradient = tl.load(given + at, mask=there, other=0.0).to(tl.float32)
        mean, over = tl.load(moments + 2 * r), tl.load(moments + 2 * r + 1)
        unit = tl.where(there, (tl.load(both + at, mask=there, other=0.0).to(tl.float32) - mean) * over, 0.0)
        of_gamma += gradient * unit
        of_beta += gradient
        scaled = gradient * g
        moved = through_norm(scaled, unit, over, D)
        tl.store(of_tokens + at, moved.to(of_tokens.dtype.element_ty), mask=there)
        if DROP:
            moved *= kept(at, seed, dropped, scale)
            tl.store(of_more + at, moved.to(of_more.dtype.element_ty), mask=there)
    tl.store(sums + (2 * part) * D + j, of_gamma, mask=there)
    tl.store(sums + (2 * part + 1) * D + j, of_beta, mask=there)


@triton.jit
def _norm_relu_forward(
    given, gamma, beta, epsilon, bent, moments, count, length, D: tl.constexpr, WIDE: tl.constexpr, SAVE: tl.constexpr
):  # fmt: skip
    r, j = tl.program_id(0).to(tl.int64), tl.arange(0, WIDE)  # a row of what comes out, (L, N)
    there = j < D
    row = tl.load(given + (r % count * length + r // count) * D + j, mask=there, other=0.0).to(tl.float32)
    mean, over = _moments(row, there, D, epsilon)
    g, b = tl.load(gamma + j, mask=there, other=0.0), tl.load(beta + j, mask=there, other=0.0)
    value = (row - mean) * over * g + b
    tl.store(bent + r * D + j, tl.where(value <= 0.0, 0.0, value).to(bent.dtype.element_ty), mask=there)
    if SAVE:
        tl.store(moments + 2 * r, mean)
        tl.store(moments + 2 * r + 1, over)


@triton.jit
def _norm_relu_backward(
    given, bent, moments, of_bent, gamma, moved, sums, count, length, D: tl.constexpr, WIDE: tl.constexpr
):  # fmt: skip
    part, j = tl.program_id(0), tl.arange(0, WIDE)
    there = j < D
    g = tl.load(gamma + j, mask=there, other=0.0)
    of_gamma = tl.zeros((WIDE,), tl.float32)
    of_beta = tl.zeros((WIDE,), tl.float32)
    for row in range(part, count * length, tl.num_programs(0)):
        r = tl.zeros((), tl.int64) + row
        place = (r % count * length + r // count) * D + j
        passes = tl.load(bent + r * D + j, mask=there, other=0.0).to(tl.float32) != 0.0
        gradient = tl.where(passes, tl.load(of_bent + r * D + j, mask=there, other=0.0).to(tl.float32), 0.0)
        mean, over = tl.load(moments + 2 * r), tl.load(moments + 2 * r + 1)
        unit = tl.where(there, (tl.load(given + place, mask=there, other=0.0).to(tl.float32) - mean) * over, 0.0)
        of_gamma += gradient * unit
        of_beta += gradient
        scaled = gradient * g
        tl.store(moved + place, through_norm(scaled, unit, over, D).to(moved.dtype.element_ty), mask=there)
    tl.store(sums + (2 * part) * D + j, of_gamma, mask=there)
    tl.store(sums + (2 * part + 1) * D + j, of_beta, mask=there)


class AddNorm(torch.autograd.Function):
    """LayerNorm(tokens + dropout(more))."""

    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        more: Tensor,
        gamma: Tensor,
        beta: Tensor,
        epsilon: float,
        drop: DeviceDrop,
        exact: bool,
    ) -> Tensor:
        """(P, N, D) each, ``gamma`` and ``beta`` (D,); the output is float32 if ``exact``, else of ``more``'s type."""
        tokens, more = tokens.contiguous(), more.contiguous()
        rows, width = more.numel() // more.shape[-1], more.shape[-1]
        wanted = any(ctx.needs_input_grad)
        made = torch.empty_like(more, dtype=torch.float32 if exact else None)
        both = torch.empty_like(more) if wanted else more
        moments = gamma.new_empty(rows, 2) if wanted else gamma
        _add_norm_forward[(rows,)](
            tokens, more, gamma, beta, epsilon, *drop.arguments(gamma), both, made, moments,
            DROP=drop.dropped > 0, SAVE=wanted, **row_sizes(width),
        )  # fmt: skip
        if wanted:
            ctx.save_for_backward(both, moments, gamma)
            ctx.drop, ctx.kind = drop, tokens.dtype
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both terms, gamma and beta."""
        both, moments, gamma = ctx.saved_tensors
        drop: DeviceDrop = ctx.drop
        rows, width, given = len(moments), both.shape[-1], gradients[0].contiguous()
        of_tokens = torch.empty_like(both, dtype=ctx.kind)
        of_more = torch.empty_like(both) if drop.dropped else of_tokens
        sums = gamma.new_empty(min(_PARTS, rows), 2, width)
        _add_norm_backward[(len(sums),)](
            both, moments, given, gamma, *drop.arguments(gamma), of_tokens, of_more, sums, rows,
            DROP=drop.dropped > 0, **row_sizes(width),
        )  # fmt: skip
        of_gamma, of_beta = added_up(sums)
        return of_tokens, of_more.to(both.dtype), of_gamma, of_beta, None, None, None


class NormRelu(torch.autograd.Function):
    """ReLU(LayerNorm) of rows (N, L), which come out as (L, N)."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> Tensor:
        """(N, L, D) to (L, N, D), ``gamma`` and ``beta`` (D,)."""
        given = given.contiguous()
        count, length, width = given.shape
        wanted = any(ctx.needs_input_grad)
        bent = given.new_empty(length, count, width)
        moments = gamma.new_empty(length * count, 2) if wanted else gamma
        _norm_relu_forward[(length * count,)](
            given, gamma, beta, epsilon, bent, moments, count, length, SAVE=wanted, **row_sizes(width)
        )
        if wanted:
            ctx.save_for_backward(given, bent, moments, gamma)
        return bent

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the rows, gamma and beta."""
        given, bent, moments, gamma = ctx.saved_tensors
        count, length, width = given.shape
        moved, sums = torch.empty_like(given), gamma.new_empty(min(_PARTS, len(moments)), 2, width)
        _norm_relu_backward[(len(sums),)](
            given, bent, moments, gradients[0].contiguous(), gamma, moved, sums, count, length, **row_sizes(width)
        )
        of_gamma, of_beta = added_up(sums)
        return moved, of_gamma, of_beta, None

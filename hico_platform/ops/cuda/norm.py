"""LayerNorm with what comes before and after it, a row to a program.

D: width, N: sequences, L: tokens of a sequence, P: tokens of all granularities. Rows are contiguous, in float32 or
bfloat16; parameters and statistics are float32. A forward pass keeps each row's mean and 1 / standard deviation.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.dropout import DropoutDraw, kept
from hico_platform.ops.cuda.launch import row_sizes
from hico_platform.ops.cuda.reduce import added_up

_PARTS = 528  # programs that share out the rows whose gradients are summed: four a multiprocessor of an H100


@triton.jit
def _mean_and_rstd(row, mask, D: tl.constexpr, eps):
    mean = tl.sum(row, 0) / D
    centred = tl.where(mask, row - mean, 0.0)
    return mean, 1.0 / tl.sqrt(tl.sum(centred * centred, 0) / D + eps)


@triton.jit
def through_norm(grad, normalised, rstd, D: tl.constexpr):
    """A row's gradient before LayerNorm: ``grad`` is that of the normalised row, ``normalised``."""
    return rstd * (grad - tl.sum(grad, 0) / D - normalised * (tl.sum(grad * normalised, 0) / D))


@triton.jit
def _add_norm_forward(
    x,  # (., D) rows
    update,  # (., D) rows that are added to x
    weight,  # (D,) of LayerNorm
    bias,  # (D,)
    eps,  # added to the variance
    seed,  # int32 (2,) on the GPU
    dropped,  # an element whose 32 random bits are below it is dropped
    scale,  # 1 / (1 - dropout)
    summed,  # (., D) out: x + dropout(update)
    out,  # the output
    stats,  # float32 (rows, 2): mean and 1 / standard deviation
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
    DROPOUT: tl.constexpr,  # whether anything is dropped
    SAVE: tl.constexpr,  # whether a backward pass may follow
):
    r, j = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK_D)
    mask, offset = j < D, r * D + j
    added = tl.load(update + offset, mask=mask, other=0.0).to(tl.float32)
    if DROPOUT:
        added *= kept(offset, seed, dropped, scale)
    row = tl.load(x + offset, mask=mask, other=0.0).to(tl.float32) + added
    if SAVE:
        tl.store(summed + offset, row.to(summed.dtype.element_ty), mask=mask)
    mean, rstd = _mean_and_rstd(row, mask, D, eps)
    w, b = tl.load(weight + j, mask=mask, other=0.0), tl.load(bias + j, mask=mask, other=0.0)
    tl.store(out + offset, ((row - mean) * rstd * w + b).to(out.dtype.element_ty), mask=mask)
    if SAVE:
        tl.store(stats + 2 * r, mean)
        tl.store(stats + 2 * r + 1, rstd)


@triton.jit
def _add_norm_backward(
    summed,  # (., D) out: x + dropout(update)
    stats,  # float32 (rows, 2): mean and 1 / standard deviation
    grad_out,  # gradient of the output
    weight,  # (D,) of LayerNorm
    seed,  # int32 (2,) on the GPU
    dropped,  # an element whose 32 random bits are below it is dropped
    scale,  # 1 / (1 - dropout)
    grad_x,  # out: gradient of x
    grad_update,  # out: gradient of update
    sums,  # float32 out (programs, gradients of parameters, D)
    rows,  # number of rows
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
    DROPOUT: tl.constexpr,  # whether anything is dropped
):
    part, j = tl.program_id(0), tl.arange(0, BLOCK_D)
    mask = j < D
    w = tl.load(weight + j, mask=mask, other=0.0)
    grad_weight = tl.zeros((BLOCK_D,), tl.float32)
    grad_bias = tl.zeros((BLOCK_D,), tl.float32)
    for row in range(part, rows, tl.num_programs(0)):
        r = tl.zeros((), tl.int64) + row
        offset = r * D + j
        gradient = tl.load(grad_out + offset, mask=mask, other=0.0).to(tl.float32)
        mean, rstd = tl.load(stats + 2 * r), tl.load(stats + 2 * r + 1)
        normalised = tl.where(mask, (tl.load(summed + offset, mask=mask, other=0.0).to(tl.float32) - mean) * rstd, 0.0)
        grad_weight += gradient * normalised
        grad_bias += gradient
        scaled = gradient * w
        grad_row = through_norm(scaled, normalised, rstd, D)
        tl.store(grad_x + offset, grad_row.to(grad_x.dtype.element_ty), mask=mask)
        if DROPOUT:
            grad_row *= kept(offset, seed, dropped, scale)
            tl.store(grad_update + offset, grad_row.to(grad_update.dtype.element_ty), mask=mask)
    tl.store(sums + (2 * part) * D + j, grad_weight, mask=mask)
    tl.store(sums + (2 * part + 1) * D + j, grad_bias, mask=mask)


@triton.jit
def _norm_relu_forward(
    x,  # (., D) rows
    weight,  # (D,) of LayerNorm
    bias,  # (D,)
    eps,  # added to the variance
    out,  # the output
    stats,  # float32 (rows, 2): mean and 1 / standard deviation
    count,  # N, sequences
    length,  # L, tokens of a sequence
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
    SAVE: tl.constexpr,  # whether a backward pass may follow
):
    r, j = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK_D)  # a row of what comes out, (L, N)
    mask = j < D
    row = tl.load(x + (r % count * length + r // count) * D + j, mask=mask, other=0.0).to(tl.float32)
    mean, rstd = _mean_and_rstd(row, mask, D, eps)
    w, b = tl.load(weight + j, mask=mask, other=0.0), tl.load(bias + j, mask=mask, other=0.0)
    value = (row - mean) * rstd * w + b
    tl.store(out + r * D + j, tl.where(value <= 0.0, 0.0, value).to(out.dtype.element_ty), mask=mask)
    if SAVE:
        tl.store(stats + 2 * r, mean)
        tl.store(stats + 2 * r + 1, rstd)


@triton.jit
def _norm_relu_backward(
    x,  # (., D) rows
    out,  # the output
    stats,  # float32 (rows, 2): mean and 1 / standard deviation
    grad_out,  # gradient of the output
    weight,  # (D,) of LayerNorm
    grad_x,  # out: gradient of x
    sums,  # float32 out (programs, gradients of parameters, D)
    count,  # N, sequences
    length,  # L, tokens of a sequence
    D: tl.constexpr,  # width
    BLOCK_D: tl.constexpr,  # power of two, at least D
):
    part, j = tl.program_id(0), tl.arange(0, BLOCK_D)
    mask = j < D
    w = tl.load(weight + j, mask=mask, other=0.0)
    grad_weight = tl.zeros((BLOCK_D,), tl.float32)
    grad_bias = tl.zeros((BLOCK_D,), tl.float32)
    for row in range(part, count * length, tl.num_programs(0)):
        r = tl.zeros((), tl.int64) + row
        offset = (r % count * length + r // count) * D + j
        passes = tl.load(out + r * D + j, mask=mask, other=0.0).to(tl.float32) != 0.0
        gradient = tl.where(passes, tl.load(grad_out + r * D + j, mask=mask, other=0.0).to(tl.float32), 0.0)
        mean, rstd = tl.load(stats + 2 * r), tl.load(stats + 2 * r + 1)
        normalised = tl.where(mask, (tl.load(x + offset, mask=mask, other=0.0).to(tl.float32) - mean) * rstd, 0.0)
        grad_weight += gradient * normalised
        grad_bias += gradient
        scaled = gradient * w
        tl.store(grad_x + offset, through_norm(scaled, normalised, rstd, D).to(grad_x.dtype.element_ty), mask=mask)
    tl.store(sums + (2 * part) * D + j, grad_weight, mask=mask)
    tl.store(sums + (2 * part + 1) * D + j, grad_bias, mask=mask)


class AddNorm(torch.autograd.Function):
    """LayerNorm(x + dropout(update))."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        update: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        draw: DropoutDraw,
        float32: bool,
    ) -> Tensor:
        """(P, N, D) each, ``weight`` and ``bias`` (D,); the output is float32, or else of ``update``'s type."""
        x, update = x.contiguous(), update.contiguous()
        rows, width = update.numel() // update.shape[-1], update.shape[-1]
        needs_grad = any(ctx.needs_input_grad)
        out = torch.empty_like(update, dtype=torch.float32 if float32 else None)
        summed = torch.empty_like(update) if needs_grad else update
        stats = weight.new_empty(rows, 2) if needs_grad else weight
        _add_norm_forward[(rows,)](
            x, update, weight, bias, eps, *draw.arguments(weight), summed, out, stats,
            DROPOUT=draw.dropped > 0, SAVE=needs_grad, **row_sizes(width),
        )  # fmt: skip
        if needs_grad:
            ctx.save_for_backward(summed, stats, weight)
            ctx.draw, ctx.x_dtype = draw, x.dtype
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both terms, weight and bias."""
        summed, stats, weight = ctx.saved_tensors
        draw: DropoutDraw = ctx.draw
        rows, width, grad_out = len(stats), summed.shape[-1], gradients[0].contiguous()
        grad_x = torch.empty_like(summed, dtype=ctx.x_dtype)
        grad_update = torch.empty_like(summed) if draw.dropped else grad_x
        sums = weight.new_empty(min(_PARTS, rows), 2, width)
        _add_norm_backward[(len(sums),)](
            summed, stats, grad_out, weight, *draw.arguments(weight), grad_x, grad_update, sums, rows,
            DROPOUT=draw.dropped > 0, **row_sizes(width),
        )  # fmt: skip
        grad_weight, grad_bias = added_up(sums)
        return grad_x, grad_update.to(summed.dtype), grad_weight, grad_bias, None, None, None


class NormRelu(torch.autograd.Function):
    """ReLU(LayerNorm) of rows (N, L), which come out as (L, N)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        """(N, L, D) to (L, N, D), ``weight`` and ``bias`` (D,)."""
        x = x.contiguous()
        count, length, width = x.shape
        needs_grad = any(ctx.needs_input_grad)
        out = x.new_empty(length, count, width)
        stats = weight.new_empty(length * count, 2) if needs_grad else weight
        _norm_relu_forward[(length * count,)](
            x, weight, bias, eps, out, stats, count, length, SAVE=needs_grad, **row_sizes(width)
        )
        if needs_grad:
            ctx.save_for_backward(x, out, stats, weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the rows, weight and bias."""
        x, out, stats, weight = ctx.saved_tensors
        count, length, width = x.shape
        grad_x, sums = torch.empty_like(x), weight.new_empty(min(_PARTS, len(stats)), 2, width)
        _norm_relu_backward[(len(sums),)](
            x, out, stats, gradients[0].contiguous(), weight, grad_x, sums, count, length, **row_sizes(width)
        )
        grad_weight, grad_bias = added_up(sums)
        return grad_x, grad_weight, grad_bias, None


def supports(x: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Any tensors."""
    return True


def norm_relu(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float) -> Tensor:
    """ReLU(LayerNorm(x)): (N, L, D) to (L, N, D)."""
    return NormRelu.apply(x, weight, bias, eps)  # type: ignore[no-any-return, no-untyped-call]


def add_norm(
    x: Tensor, update: Tensor, weight: Tensor, bias: Tensor, *, eps: float, dropout: float, float32: bool
) -> Tensor:
    """LayerNorm(x + dropout(update)), all (P, N, D), in float32 if ``float32``."""
    mask = DropoutDraw(dropout, training=dropout > 0, device=update.device)
    return AddNorm.apply(x, update, weight, bias, eps, mask, float32)  # type: ignore[no-any-return, no-untyped-call]

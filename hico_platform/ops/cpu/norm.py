"""LayerNorm with what comes before or after it, each in one pass over memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.dropout import Dropout, draw
from hico_platform.ops.cpu.library import call, suffix
from hico_platform.ops.cpu.linear import ROW_GROUPS


def supports(x: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Any tensors."""
    return True


def norm_relu(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float) -> Tensor:
    """ReLU(LayerNorm(x)): (N, L, D) to (L, N, D)."""
    return NormRelu.apply(x, weight, bias, eps)  # type: ignore[no-any-return, no-untyped-call]


def add_norm(
    x: Tensor, update: Tensor, weight: Tensor, bias: Tensor, *, eps: float, dropout: float, float32: bool
) -> Tensor:
    """LayerNorm(x + dropout(update)), which takes the memory of ``update`` for the sum."""
    return AddNorm.apply(x, update, weight, bias, eps, draw(dropout), float32)  # type: ignore[no-any-return, no-untyped-call]


class NormRelu(torch.autograd.Function):
    """ReLU(LayerNorm(x)), transposed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        """(N, L, D) to (L, N, D)."""
        x = x.contiguous()
        sequences, length, width = x.shape
        out = x.new_empty(length, sequences, width)
        stats = torch.empty(length * sequences, 2) if any(ctx.needs_input_grad) else None  # mean and rstd of each row
        call(f"norm_relu_forward_{suffix(x.dtype)}", x, sequences, length, width, weight, bias, eps, out, stats)
        ctx.save_for_backward(x, out, stats, weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, weight and bias."""
        x, out, stats, weight = ctx.saved_tensors
        grad_out, grad_x = gradients[0].to(x.dtype).contiguous(), torch.empty_like(x)
        sums = torch.empty(ROW_GROUPS, 2, x.shape[2])
        call(
            f"norm_relu_backward_{suffix(x.dtype)}", x, out, stats, grad_out, *x.shape, weight, grad_x, sums,
            ROW_GROUPS,
        )  # fmt: skip
        grad_weight, grad_bias = sums.sum(dim=0)
        return grad_x, grad_weight, grad_bias, None


class AddNorm(torch.autograd.Function):
    """LayerNorm(x + dropout(update))."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, update: Tensor, weight: Tensor, bias: Tensor, eps: float, dropout: Dropout, float32: bool
    ) -> Tensor:
        """(P, N, D) each, ``weight`` and ``bias`` (D,); the output is float32 if ``float32``."""
        width = x.shape[-1]
        x, total = x.contiguous(), update.detach()  # the kernel leaves the sum in the memory of ``update``
        rows = x.numel() // width
        out = torch.empty_like(x, dtype=torch.float32 if float32 else None)
        stats = torch.empty(rows, 2)  # mean and rstd of each row
        call(
            f"add_norm_forward_{_suffix(x, out)}", x, total, rows, width, dropout, weight, bias, eps, out, stats
        )  # fmt: skip
        ctx.save_for_backward(total, stats, weight)
        ctx.dropout = dropout
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x, update, weight and bias."""
        total, stats, weight = ctx.saved_tensors
        dropout: Dropout = ctx.dropout
        rows, width, grad_out = len(stats), total.shape[-1], gradients[0].contiguous()
        grad_x = torch.empty_like(total)
        grad_update = torch.empty_like(total) if dropout.threshold else grad_x
        sums = torch.empty(ROW_GROUPS, 2, width)
        call(
            f"add_norm_backward_{_suffix(total, grad_out)}", total, stats, grad_out, rows, width, dropout, weight,
            grad_x, grad_update, sums, ROW_GROUPS,
        )  # fmt: skip
        grad_weight, grad_bias = sums.sum(dim=0)
        return grad_x, grad_update, grad_weight, grad_bias, None, None, None


def _suffix(x: Tensor, out: Tensor) -> str:
    """The ending of the kernels' names."""
    return suffix(x.dtype) if x.dtype is out.dtype else "bf16_to_float"

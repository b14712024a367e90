"""Self-attention, one head of one sequence at a time in a core's cache; the backward pass makes the scores again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.dropout import Dropout, draw
from hico_platform.ops.cpu.library import call, multiplies, suffix
from hico_platform.ops.granularities import lengths_tensor


def supports(qkv: Tensor, *, lengths: tuple[int, ...]) -> bool:
    """Any lengths, where the kernels multiply matrices."""
    return multiplies()


def attention(qkv: Tensor, lengths: tuple[int, ...], *, heads: int, dropout: float) -> Tensor:
    """(P, N, 3D) to (P, N, D)."""
    return Attention.apply(qkv, lengths, heads, draw(dropout))  # type: ignore[no-any-return, no-untyped-call]


class Attention(torch.autograd.Function):
    """All heads and granularities in one call."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, lengths: tuple[int, ...], heads: int, dropout: Dropout) -> Tensor:
        """(P, N, 3D) to (P, N, D)."""
        qkv = qkv.contiguous()
        tokens, sequences, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        out = qkv.new_empty(tokens, sequences, width)
        softmax_scale = (width // heads) ** -0.5
        ctx.sizes = lengths_tensor(lengths), len(lengths), sequences, heads, width, softmax_scale, dropout
        call(f"attention_forward_{suffix(qkv.dtype)}", qkv, *ctx.sizes, out)
        ctx.save_for_backward(qkv)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """(P, N, D) to (P, N, 3D)."""
        (qkv,) = ctx.saved_tensors
        grad_out, grad_qkv = gradients[0].to(qkv.dtype).contiguous(), torch.empty_like(qkv)
        call(f"attention_backward_{suffix(qkv.dtype)}", qkv, grad_out, *ctx.sizes, grad_qkv)
        return grad_qkv, None, None, None

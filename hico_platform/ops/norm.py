"""LayerNorm with what comes before or after it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hico_platform.ops._backend import kernels


def norm_relu(x: Tensor, weight: Tensor, bias: Tensor, *, eps: float) -> Tensor:
    """ReLU(LayerNorm(x)), and all sequences' first tokens first: (N, L, D) to (L, N, D)."""
    fast = kernels("norm", x, weight, bias)
    if fast is not None:
        return fast.norm_relu(x, weight, bias, eps=eps)  # type: ignore[no-any-return]
    return F.relu(F.layer_norm(x, weight.shape, weight, bias, eps)).transpose(0, 1)


def add_norm(
    x: Tensor, update: Tensor, weight: Tensor, bias: Tensor, *, eps: float, dropout: float, float32: bool
) -> Tensor:
    """LayerNorm(x + dropout(update)), all (P, N, D), in float32 if ``float32``; ``update`` may be written over."""
    fast = kernels("norm", x, weight, bias) if x.dtype is update.dtype else None
    if fast is not None:
        return fast.add_norm(x, update, weight, bias, eps=eps, dropout=dropout, float32=float32)  # type: ignore[no-any-return]
    total = x + F.dropout(update, dropout)
    if float32:
        total = total.to(torch.promote_types(total.dtype, weight.dtype))
    return F.layer_norm(total, weight.shape, weight, bias, eps)

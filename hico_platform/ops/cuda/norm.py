"""LayerNorm with what comes before or after it."""

from __future__ import annotations

from torch import Tensor

from hico_platform.ops.cuda.dropout import DeviceDrop
from hico_platform.ops.cuda.norms import AddNorm, NormRelu


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
    mask = DeviceDrop(dropout, training=dropout > 0, device=update.device)
    return AddNorm.apply(x, update, weight, bias, eps, mask, float32)  # type: ignore[no-any-return, no-untyped-call]

"""Matrix products of many rows with a weight, by the faster of PyTorch's two libraries."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

_LARGE = 1 << 16  # elements of a weight; below, MKL is as fast


def rows_by(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """rows (., K) @ weight.T (K, L), plus bias; float32 on a CPU by oneDNN, a seventh faster than MKL."""
    wanted = not rows.is_cuda and rows.dtype is torch.float32 and weight.numel() >= _LARGE
    if wanted and _ONEDNN is not None:
        return _ONEDNN(rows, weight, bias, "none", [], "")  # type: ignore[no-any-return]
    return linear(rows, weight, bias)


def _onednn() -> Any:
    """The operator that torch.compile calls for a linear layer; None where PyTorch is built without oneDNN."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


_ONEDNN = _onednn()


class Linear(nn.Linear):
    """nn.Linear, of which the output's and the input's gradient are computed by :func:`rows_by`."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(., K) to (., L)."""
        return product(tokens, self.weight, self.bias)


def product(tokens: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """tokens (., K) @ weight.T (K, L), plus bias, with its gradient."""
    if tokens.is_cuda or torch.is_autocast_enabled("cpu") or weight.numel() < _LARGE:
        return linear(tokens, weight, bias)
    return _Linear.apply(tokens, weight, bias)  # type: ignore[no-any-return, no-untyped-call]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(tokens, weight)
        return rows_by(tokens, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tokens, weight = ctx.saved_tensors
        given = gradients[0].reshape(-1, weight.shape[0])
        of_tokens, of_weight, of_bias = ctx.needs_input_grad
        return (
            rows_by(given, weight.T).view(tokens.shape) if of_tokens else None,
            given.T @ tokens.reshape(-1, weight.shape[1]) if of_weight else None,
            given.sum(dim=0) if of_bias else None,
        )

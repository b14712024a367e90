"""Matrix products of many rows with a weight, on a CPU in float32 by the compiled kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from hico_platform.native.library import kernels_for

_MANY = 1 << 20  # multiplications of a product from which a call of the kernel is worth it


def multiplied(left: Tensor, right: Tensor, *, bias: Tensor | None = None) -> Tensor:
    """left (M, K) @ right (K, L), plus bias (L); either may be transposed."""
    if not _by_kernel(left, right):
        made = left @ right
        return made if bias is None else made.add_(bias)
    out = left.new_empty(left.shape[0], right.shape[1])
    _multiply(left, right, bias, out, add=False)
    return out


def add_multiplied(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out (M, L) += left (M, K) @ right (K, L); ``out`` is contiguous."""
    if _by_kernel(left, right) and out.dtype is torch.float32:
        _multiply(left, right, None, out, add=True)
    else:
        out.add_(left @ right)


def _by_kernel(left: Tensor, right: Tensor) -> bool:
    large = left.shape[0] * left.shape[1] * right.shape[1] >= _MANY and left.dtype is torch.float32
    found = kernels_for(left, right) if large else None
    return found is not None and found.multiplies


def _multiply(left: Tensor, right: Tensor, bias: Tensor | None, out: Tensor, *, add: bool) -> None:
    found = kernels_for(left, right)
    if found is None:
        raise RuntimeError("no kernels")
    (rows, deep), columns = left.shape, right.shape[1]
    found.call(
        "float_product", rows, columns, deep, left, *left.stride(), right, *right.stride(), bias, out, columns, int(add)
    )


class Linear(nn.Linear):
    """nn.Linear, of which the output and the gradients are computed by :func:`multiplied`."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(., K) to (., L)."""
        return product(tokens, self.weight, self.bias)


def product(tokens: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """tokens (., K) @ weight.T (K, L), plus bias, with its gradient."""
    if torch.is_autocast_enabled(tokens.device.type) or kernels_for(tokens, weight) is None:
        return linear(tokens, weight, bias)
    return _Linear.apply(tokens, weight, bias)  # type: ignore[no-any-return, no-untyped-call]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(tokens, weight)
        rows = multiplied(tokens.reshape(-1, tokens.shape[-1]), weight.T, bias=bias)
        return rows.view(*tokens.shape[:-1], weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tokens, weight = ctx.saved_tensors
        given = gradients[0].reshape(-1, weight.shape[0])
        of_tokens, of_weight, of_bias = ctx.needs_input_grad
        return (
            multiplied(given, weight).view(tokens.shape) if of_tokens else None,
            multiplied(given.T, tokens.reshape(-1, weight.shape[1])) if of_weight else None,
            given.sum(dim=0) if of_bias else None,
        )

"""Matrix products, on a CPU in float32 by the fastest at hand for their shape."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from hico_platform.ops.cpu.library import Kernels, kernels_for, suffix

PARTS = 32  # of rows, whose sums kernels add in this order whatever the number of threads
_ROWS = 256  # from which packing a weight is worth it, as the kernel does
_SMALL = 1 << 12  # elements of a weight below which PyTorch's linear is as fast
_LARGE = 1 << 16  # elements of a weight from which oneDNN is faster than PyTorch's own product


def multiplied(left: Tensor, right: Tensor, *, bias: Tensor | None = None) -> Tensor:
    """left (M, K) @ right (K, L), plus bias (L); either may be transposed."""
    kernels = _kernels(left, right)
    if kernels is not None:
        out = left.new_empty(left.shape[0], right.shape[1])
        _multiply(kernels, left, right, bias, out, add=False)
        return out
    if left.device.type == "cpu" and left.dtype is torch.float32 and right.numel() >= _LARGE and _ONEDNN is not None:
        return _ONEDNN(left, right.T, bias, "none", [], "")  # type: ignore[no-any-return]
    return left @ right if bias is None else torch.addmm(bias, left, right)


def add_multiplied(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out (M, L) += left (M, K) @ right (K, L); ``out`` is contiguous and float32."""
    kernels = _kernels(left, right)
    if kernels is not None:
        _multiply(kernels, left, right, None, out, add=True)
    elif left.dtype is out.dtype:
        out.addmm_(left, right)
    else:
        out.add_(left @ right)


def column_sums(rows: Tensor) -> Tensor:
    """(M, K) to (K,), in float32 at least."""
    kernels = kernels_for(rows)
    if kernels is None or not rows.is_contiguous():
        return rows.sum(dim=0, dtype=torch.promote_types(rows.dtype, torch.float32))
    sums = torch.empty(rows.shape[1])
    kernels.call(f"column_sums_{suffix(rows.dtype)}", rows, *rows.shape, sums)
    return sums


def _kernels(left: Tensor, right: Tensor) -> Kernels | None:
    packing_pays = left.shape[0] >= _ROWS or (left.stride(0) == 1 and left.shape[1] >= _ROWS)
    if not packing_pays or left.dtype is not torch.float32:
        return None
    found = kernels_for(left, right)
    return found if found is not None and found.multiplies else None


def _multiply(kernels: Kernels, left: Tensor, right: Tensor, bias: Tensor | None, out: Tensor, *, add: bool) -> None:
    (rows, deep), columns = left.shape, right.shape[1]
    kernels.call(
        "float_product", rows, columns, deep, left, *left.stride(), right, *right.stride(), bias, out, columns, int(add)
    )


def _onednn() -> Any:
    """The operator that torch.compile calls for a linear layer; None where PyTorch is built without oneDNN."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


_ONEDNN = _onednn()


class Linear(nn.Linear):
    """nn.Linear, of which the output and the gradients are computed by :func:`multiplied`."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(., K) to (., L)."""
        return product(tokens, self.weight, self.bias)


def product(tokens: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """tokens (., K) @ weight.T (K, L), plus bias, with its gradient."""
    if tokens.is_cuda:
        return linear(tokens, weight, bias)
    plain = torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu")
    if plain or weight.numel() < _SMALL:
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
            column_sums(given).to(given.dtype) if of_bias else None,
        )

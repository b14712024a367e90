"""Matrix products of float32 by the fastest way at hand for their shape, and a linear layer made of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import call, multiplies, suffix

ROW_GROUPS = 32  # groups of rows whose sums kernels add in this order, whatever the number of threads
_MIN_ROWS = 256  # from which packing a weight is worth it, as the kernel does
_MIN_WEIGHT = 1 << 12  # elements of a weight below which PyTorch's linear is as fast
_MIN_ONEDNN_WEIGHT = 1 << 16  # elements of a weight from which oneDNN is faster than PyTorch's own product


def supports(x: Tensor, weight: Tensor) -> bool:
    """Large weights, outside autocast."""
    return weight.numel() >= _MIN_WEIGHT and not torch.is_autocast_enabled("cpu")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (., K) times weight (L, K) transposed, plus bias (L,): (., L)."""
    return _Linear.apply(x, weight, bias)  # type: ignore[no-any-return, no-untyped-call]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return matmul(x.reshape(-1, x.shape[-1]), weight.T, bias=bias).view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad_out = gradients[0].reshape(-1, weight.shape[0])
        x_wanted, weight_wanted, bias_wanted = ctx.needs_input_grad
        return (
            matmul(grad_out, weight).view(x.shape) if x_wanted else None,
            matmul(grad_out.T, x.reshape(-1, weight.shape[1])) if weight_wanted else None,
            column_sums(grad_out).to(grad_out.dtype) if bias_wanted else None,
        )


def matmul(left: Tensor, right: Tensor, *, bias: Tensor | None = None) -> Tensor:
    """left (M, K) @ right (K, L), plus bias (L,); either may be transposed."""
    if _packing_pays(left, right):
        out = left.new_empty(left.shape[0], right.shape[1])
        _matmul(left, right, bias, out, add=False)
        return out
    if left.dtype is torch.float32 and right.numel() >= _MIN_ONEDNN_WEIGHT and _ONEDNN is not None:
        return _ONEDNN(left, right.T, bias, "none", [], "")  # type: ignore[no-any-return]
    return left @ right if bias is None else torch.addmm(bias, left, right)


def add_matmul_(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out (M, L) += left (M, K) @ right (K, L); ``out`` is contiguous and float32."""
    if _packing_pays(left, right):
        _matmul(left, right, None, out, add=True)
    elif left.dtype is out.dtype:
        out.addmm_(left, right)
    else:
        out.add_(left @ right)


def column_sums(x: Tensor) -> Tensor:
    """(M, K) to (K,), in float32 at least."""
    if not x.is_contiguous() or x.dtype not in (torch.float32, torch.bfloat16):
        return x.sum(dim=0, dtype=torch.promote_types(x.dtype, torch.float32))
    sums = torch.empty(x.shape[1])
    call(f"column_sums_{suffix(x.dtype)}", x, *x.shape, sums)
    return sums


def _packing_pays(left: Tensor, right: Tensor) -> bool:
    many_rows = left.shape[0] >= _MIN_ROWS or (left.stride(0) == 1 and left.shape[1] >= _MIN_ROWS)
    return many_rows and left.dtype is right.dtype is torch.float32 and multiplies()


def _matmul(left: Tensor, right: Tensor, bias: Tensor | None, out: Tensor, *, add: bool) -> None:
    (rows, depth), cols = left.shape, right.shape[1]
    call(
        "matmul", rows, cols, depth, left, *left.stride(), right, *right.stride(), bias, out, cols, int(add)
    )  # fmt: skip


def _onednn() -> Any:
    """The operator that torch.compile calls for a linear layer; None where PyTorch is built without oneDNN."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


_ONEDNN = _onednn()

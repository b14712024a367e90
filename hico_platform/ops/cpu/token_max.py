"""The maximum over tokens, whose gradient is shared out among equals, in three passes over the tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import call, suffix
from hico_platform.ops.granularities import lengths_tensor


def supports(x: Tensor) -> bool:
    """Any tensor."""
    return True


def token_max(x: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """(P, N, D) to (N, G, D)."""
    return _TokenMax.apply(x, lengths)  # type: ignore[no-any-return, no-untyped-call]


class _TokenMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lengths: tuple[int, ...]) -> Tensor:
        x = x.contiguous()
        out = x.new_empty(x.shape[1], len(lengths), x.shape[2])
        ctx.sizes = lengths_tensor(lengths), len(lengths), x.shape[1], x.shape[2]
        call(f"token_max_forward_{suffix(x.dtype)}", x, *ctx.sizes, out)
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, out = ctx.saved_tensors
        grad_x = torch.empty_like(x)
        call(f"token_max_backward_{suffix(x.dtype)}", x, out, *ctx.sizes, gradients[0].contiguous(), grad_x)
        return grad_x, None

"""All granularities in one tensor, by one call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import call, suffix
from hico_platform.ops.granularities import lengths_tensor

_KERNEL = 5  # the width of the convolution that the kernels are compiled for


def supports(x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor) -> bool:
    """A convolution over five tokens."""
    return len(taps) == _KERNEL


def downsample(
    x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor, *, lengths: tuple[int, ...],
    eps: float,
) -> Tensor:  # fmt: skip
    """(L, N, D), ``taps`` (5, D), the others (D,), to (P, N, D)."""
    wanted = torch.is_grad_enabled()
    return _Downsample.apply(x, taps, bias, norm_weight, norm_bias, lengths, eps, wanted)  # type: ignore[no-any-return, no-untyped-call]


class _Downsample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor,
        lengths: tuple[int, ...], eps: float, wanted: bool,
    ) -> Tensor:  # fmt: skip
        tokens, (_, sequences, width) = sum(lengths), x.shape
        levels = x.new_empty(tokens, sequences, width)
        # Of each pair of tokens the one that won, and of each token its mean and rstd; for a backward pass.
        winners = torch.empty(tokens - lengths[0], sequences, width, dtype=torch.uint8) if wanted else None
        stats = torch.empty(tokens, sequences, 2) if wanted else None
        call(
            f"downsample_forward_{suffix(x.dtype)}", x.contiguous(), lengths_tensor(lengths), len(lengths), sequences,
            width, taps, bias, norm_weight, norm_bias, eps, levels, winners, stats,
        )  # fmt: skip
        if wanted:
            ctx.save_for_backward(levels, taps, bias, norm_weight, winners, stats)
            ctx.lengths = lengths
        return levels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        levels, taps, bias, norm_weight, winners, stats = ctx.saved_tensors
        lengths, (_, sequences, width) = ctx.lengths, levels.shape
        grad_levels = gradients[0].contiguous()
        if len(lengths) == 1:
            zeros = (torch.zeros_like(each) for each in (taps, bias, norm_weight, norm_weight))
            return grad_levels, *zeros, None, None, None
        grad_x, sums = torch.empty_like(levels), torch.zeros(sequences, 3 + _KERNEL, width)
        call(
            f"downsample_backward_{suffix(levels.dtype)}", levels, lengths_tensor(lengths), len(lengths), sequences,
            width, taps, bias, norm_weight, winners, stats, grad_levels, grad_x, sums,
        )  # fmt: skip
        grad_norm_weight, grad_norm_bias, grad_bias, *grad_taps = sums.sum(dim=0)
        return (
            grad_x[: lengths[0]], torch.stack(grad_taps), grad_bias, grad_norm_weight, grad_norm_bias, None, None, None,
        )  # fmt: skip

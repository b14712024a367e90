"""The unified downsampling module: halves a token sequence (paper: UDM)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

KERNEL = 5


class UnifiedDownsampling(nn.Module):
    """Depthwise convolution over tokens, LayerNorm, ReLU, maximum of pairs; one module a branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = DepthwiseConvolution(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(L, N, D) to (L // 2, N, D)."""
        mixed = self.norm(self.convolution(tokens))
        even, odd = mixed[: len(mixed) // 2 * 2].unflatten(0, (-1, 2)).unbind(1)
        return torch.relu(torch.maximum(even, odd))  # as ReLU before the maximum, on half the elements


class DepthwiseConvolution(nn.Module):
    """Conv1d(kernel 5, padding 2, one group a channel) over tokens, in the layout the tokens have."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, 1, KERNEL))
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(L, N, D) to (L, N, D)."""
        return _Depthwise.apply(tokens, self.weight[:, 0].T.contiguous(), self.bias)  # type: ignore[no-any-return, no-untyped-call]


class _Depthwise(torch.autograd.Function):
    """Five shifted products: no copy into channels-first and back, which costs more than the convolution."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """``tokens`` (L, N, D), ``weight`` (5, D), ``bias`` (D,)."""
        padded = pad(tokens, _MARGIN)  # (L + 4, N, D)
        ctx.save_for_backward(padded, weight)
        return _shifted_sum(padded, weight.to(tokens.dtype), bias.to(tokens.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of tokens, weight and bias."""
        padded, weight = ctx.saved_tensors
        gradient = gradients[0]
        of_tokens = _shifted_sum(pad(gradient, _MARGIN), weight.flip(0).to(gradient.dtype), None)
        of_weight = torch.stack(
            [
                (gradient * padded[shift : shift + len(gradient)]).sum(dim=(0, 1), dtype=weight.dtype)
                for shift in range(KERNEL)
            ]
        )
        return of_tokens, of_weight, gradient.sum(dim=(0, 1), dtype=weight.dtype)


_MARGIN = (0, 0, 0, 0, KERNEL // 2, KERNEL // 2)


def _shifted_sum(padded: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    length = len(padded) - KERNEL + 1
    total = padded[:length] * weight[0] if bias is None else torch.addcmul(bias, padded[:length], weight[0])
    for shift in range(1, KERNEL):
        total.addcmul_(padded[shift : shift + length], weight[shift])
    return total

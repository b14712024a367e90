"""The unified downsampling module: halves a token sequence (paper: UDM)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from hico_platform.ops.cpu.library import Kernels, kernels_for, suffix
from hico_platform.ops.cuda import usable
from hico_platform.ops.granularities import lengths_tensor

KERNEL = 5


class UnifiedDownsampling(nn.Module):
    """Depthwise convolution over tokens, LayerNorm, ReLU, maximum of pairs; one module a branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = DepthwiseConvolution(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, granularities: int) -> tuple[Tensor, tuple[int, ...]]:
        """(L, N, D) to the tokens of all granularities, (P, N, D), and their lengths: L, L // 2, ..."""
        lengths = tuple(len(tokens) >> granularity for granularity in range(granularities))
        if lengths[-1] == 0:
            raise ValueError(f"{len(tokens)} tokens cannot be halved {granularities - 1} times")
        weights = self.convolution.taps(), self.convolution.bias, self.norm.weight, self.norm.bias
        kernels = kernels_for(tokens, *weights)
        if kernels is not None:
            how = _How(lengths=lengths, epsilon=self.norm.eps, kernels=kernels, wanted=torch.is_grad_enabled())
            return _Downsample.apply(tokens, *weights, how), lengths  # type: ignore[no-untyped-call]
        if usable(tokens, *weights):
            from hico_platform.ops.cuda.downsampling import Downsample

            return Downsample.apply(tokens, *weights, self.norm.eps, lengths), lengths  # type: ignore[no-untyped-call]
        levels = [tokens]
        for _ in lengths[1:]:
            mixed = self.norm(self.convolution(levels[-1]))
            even, odd = mixed[: len(mixed) // 2 * 2].unflatten(0, (-1, 2)).unbind(1)
            # As ReLU before the maximum, on half the elements; the first of equals, as a pooling takes.
            levels.append(torch.relu(torch.where(odd > even, odd, even)))
        return torch.cat(levels), lengths


class DepthwiseConvolution(nn.Module):
    """Conv1d(kernel 5, padding 2, one group a channel) over tokens, in the layout the tokens have."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, 1, KERNEL))
        self.bias = nn.Parameter(torch.empty(width))

    def taps(self) -> Tensor:
        """The weights as (5, D)."""
        return self.weight[:, 0].T.contiguous()

    def forward(self, tokens: Tensor) -> Tensor:
        """(L, N, D) to (L, N, D)."""
        return _Depthwise.apply(tokens, self.taps(), self.bias)  # type: ignore[no-any-return, no-untyped-call]


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


class _How(NamedTuple):
    lengths: tuple[int, ...]
    epsilon: float
    kernels: Kernels
    wanted: bool  # a backward pass may follow


class _Downsample(torch.autograd.Function):
    """All granularities in one tensor, by the compiled kernels."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, taps: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, how: _How) -> Tensor:
        """``tokens`` (L, N, D), ``taps`` (5, D), the others (D,)."""
        lengths, (_, count, width), places = how.lengths, tokens.shape, sum(how.lengths)
        levels = tokens.new_empty(places, count, width)
        chosen = torch.empty(places - lengths[0], count, width, dtype=torch.uint8) if how.wanted else None
        moments = torch.empty(places, count, 2) if how.wanted else None
        how.kernels.call(
            f"downsample_forward_{suffix(tokens.dtype)}", tokens.contiguous(), lengths_tensor(lengths), len(lengths),
            count, width, taps, bias, gamma, beta, how.epsilon, levels, chosen, moments,
        )  # fmt: skip
        if how.wanted:
            ctx.save_for_backward(levels, taps, bias, gamma, chosen, moments)
            ctx.how = how
        return levels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, taps, bias, gamma and beta."""
        levels, taps, bias, gamma, chosen, moments = ctx.saved_tensors
        how: _How = ctx.how
        lengths, (_, count, width) = how.lengths, levels.shape
        given = gradients[0].contiguous()
        if len(lengths) == 1:
            return given, *(torch.zeros_like(each) for each in (taps, bias, gamma, gamma)), None
        moved, sums = torch.empty_like(levels), torch.zeros(count, 3 + KERNEL, width)
        how.kernels.call(
            f"downsample_backward_{suffix(levels.dtype)}", levels, lengths_tensor(lengths), len(lengths), count, width,
            taps, bias, gamma, chosen, moments, given, moved, sums,
        )  # fmt: skip
        total = sums.sum(dim=0)
        return moved[: lengths[0]], total[3:], total[2], total[0], total[1], None

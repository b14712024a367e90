"""The unified downsampling module (paper: UDM), at all granularities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hico_platform.ops._backend import kernels


def downsample(
    x: Tensor, weight: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor, *, lengths: tuple[int, ...],
    eps: float,
) -> Tensor:  # fmt: skip
    """(L, N, D) to the tokens of all granularities (P, N, D): ``lengths`` are L, L // 2, ... and add up to P.

    ``weight`` (D, 1, kernel) and ``bias`` (D,) are a depthwise convolution's, the other two (D,) LayerNorm's.
    """
    taps = weight[:, 0].T.contiguous()  # (kernel, D)
    fast = kernels("downsample", x, taps, bias, norm_weight, norm_bias)
    if fast is not None:
        return fast.downsample(x, taps, bias, norm_weight, norm_bias, lengths=lengths, eps=eps)  # type: ignore[no-any-return]
    levels = [x]
    for _ in lengths[1:]:
        levels.append(_halve(levels[-1], weight, bias, norm_weight, norm_bias, eps))
    return torch.cat(levels)


def _halve(x: Tensor, weight: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor, eps: float) -> Tensor:
    """Depthwise convolution over tokens, LayerNorm, ReLU, maximum of pairs: (L, N, D) to (L // 2, N, D)."""
    padding, channels = weight.shape[2] // 2, weight.shape[0]
    mixed = F.conv1d(x.permute(1, 2, 0), weight, bias, padding=padding, groups=channels)  # (N, D, L)
    activated = F.relu(F.layer_norm(mixed.permute(2, 0, 1), norm_weight.shape, norm_weight, norm_bias, eps))
    return F.max_pool1d(activated.permute(1, 2, 0), 2).permute(2, 0, 1)

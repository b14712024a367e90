"""The unified downsampling module: halves a token sequence (paper: UDM)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hico_platform.ops.downsample import downsample

KERNEL = 5


class UnifiedDownsampling(nn.Module):
    """Depthwise convolution over tokens, LayerNorm, ReLU, maximum of pairs; one module a branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # HiCo.initialise draws the weights; a constructor that drew too would move the global generator.
        self.convolution = nn.utils.skip_init(
            nn.Conv1d, width, width, KERNEL, padding=KERNEL // 2, groups=width, device=torch.get_default_device()
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, granularities: int) -> tuple[Tensor, tuple[int, ...]]:
        """(L, N, D) to the tokens of all granularities, (P, N, D), and their lengths: L, L // 2, ..."""
        lengths = tuple(len(tokens) >> granularity for granularity in range(granularities))
        if lengths[-1] == 0:
            raise ValueError(f"{len(tokens)} tokens cannot be halved {granularities - 1} times")
        convolution, norm = self.convolution, self.norm
        levels = downsample(
            tokens, convolution.weight, convolution.bias, norm.weight, norm.bias, lengths=lengths, eps=norm.eps
        )
        return levels, lengths

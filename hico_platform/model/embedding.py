"""The embedding of tokens, each alone (paper: hierarchical encoder network)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from hico_platform.ops.linear import Linear
from hico_platform.ops.norm import norm_relu


class Embedding(nn.Sequential):
    """Linear, LayerNorm, ReLU, Linear."""

    def __init__(self, token_width: int, width: int) -> None:
        super().__init__(Linear(token_width, width), nn.LayerNorm(width), nn.ReLU(), Linear(width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, token_width) to (L, N, D): what follows wants all sequences' first tokens first."""
        widen, norm, mix = self[0], cast(nn.LayerNorm, self[1]), self[3]
        return mix(norm_relu(widen(tokens), norm.weight, norm.bias, eps=norm.eps))  # type: ignore[no-any-return]

"""The hierarchical encoder: two branches, each with G granularities (paper: hierarchical encoder network)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hico_platform import plug_ins
from hico_platform.enums import EncoderType
from hico_platform.model.downsampling import UnifiedDownsampling
from hico_platform.model.embedding import Embedding
from hico_platform.model.recurrent import Recurrent
from hico_platform.model.transformer import Transformer
from hico_platform.ops.cuda_streams import concurrently
from hico_platform.ops.token_max import token_max


class Tokens(NamedTuple):
    """The two token sequences of a batch of views.

    ``temporal`` (N, T, M*J*C): one token a frame. ``spatial`` (N, M*J, T*C): one token a joint of a body.
    """

    temporal: Tensor
    spatial: Tensor


class Features(NamedTuple):
    """What the encoder makes of them: ``temporal`` and ``spatial``, each (N, G, D)."""

    temporal: Tensor
    spatial: Tensor

    def instance(self) -> Tensor:
        """(N, 2*G*D), the representation of the instance level and of every downstream task."""
        return torch.cat([self.temporal.flatten(1), self.spatial.flatten(1)], dim=1)


def sequence_encoder(encoder: EncoderType, *, width: int, layers: int, heads: int, dropout: float) -> nn.Module:
    """The sequence-to-sequence encoder of a branch: (P, N, D) and the lengths that add up to P, to (P, N, D)."""
    match encoder:
        case EncoderType.GRU:
            return Recurrent(nn.GRU, width=width, layers=layers)
        case EncoderType.LSTM:
            return Recurrent(nn.LSTM, width=width, layers=layers)
        case EncoderType.TRANSFORMER:
            return Transformer(width=width, layers=layers, heads=heads, dropout=dropout)
    sizes = {"width": width, "layers": layers, "heads": heads, "dropout": dropout}
    return plug_ins.made(encoder.group(), encoder.value, **sizes)


class Branch(nn.Module):
    """Embedding, downsampling and one sequence encoder, shared by all granularities."""

    def __init__(self, *, token_width: int, width: int, granularities: int, sequence: nn.Module) -> None:
        super().__init__()
        self.granularities = granularities
        self.embedding = Embedding(token_width, width)
        self.downsample = UnifiedDownsampling(width)
        self.sequence = sequence

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, token_width) to (N, G, D): the maximum over tokens at each granularity."""
        levels, lengths = self.downsample(self.embedding(tokens), self.granularities)  # (P, N, D)
        return token_max(self.sequence(levels, lengths), lengths)


class HierarchicalEncoder(nn.Module):
    """The temporal and the spatial branch; they share nothing."""

    def __init__(
        self,
        *,
        encoder: EncoderType,
        temporal_width: int,
        spatial_width: int,
        width: int,
        granularities: int,
        layers: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()

        def branch(token_width: int) -> Branch:
            sequence = sequence_encoder(encoder, width=width, layers=layers, heads=heads, dropout=dropout)
            return Branch(token_width=token_width, width=width, granularities=granularities, sequence=sequence)

        self.temporal = branch(temporal_width)
        self.spatial = branch(spatial_width)
        self.feature_width = 2 * granularities * width

    def forward(self, tokens: Tokens) -> Features:
        """Encodes both token sequences."""
        temporal, spatial = concurrently(lambda: self.temporal(tokens.temporal), lambda: self.spatial(tokens.spatial))
        return Features(temporal=temporal, spatial=spatial)

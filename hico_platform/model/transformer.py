"""Post-norm Transformer layers with ReLU, feed-forward width D, and no positional encoding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from hico_platform.model.dropout import Dropout


class SelfAttention(nn.Module):
    """Multi-head self-attention with dropout on the attention weights."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D): each of the sequences, ``lengths`` long, within itself."""
        if tokens.is_cuda:
            query, key, value = self.qkv(tokens).chunk(3, dim=2)
        else:  # as three products, heads are strided matrices that need no copy
            parts = zip(self.qkv.weight.chunk(3), self.qkv.bias.chunk(3), strict=True)
            query, key, value = (nn.functional.linear(tokens, weight, bias) for weight, bias in parts)
        parts_of = zip(query.split(lengths), key.split(lengths), value.split(lengths), strict=True)
        return self.out(torch.cat([self._attend(*part) for part in parts_of]))  # type: ignore[no-any-return]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """One granularity, each (L, N, D)."""
        length, count, width = query.shape
        size = width // self.heads
        query, key, value = (part.reshape(length, -1, size).transpose(0, 1) for part in (query, key, value))
        if query.is_cuda:  # each (N, heads, L, D / heads)
            share = self.dropout.p if self.training else 0.0
            query, key, value = (part.unflatten(0, (count, self.heads)) for part in (query, key, value))
            mixed = scaled_dot_product_attention(query, key, value, dropout_p=share).flatten(0, 1)
        else:  # each (N * heads, L, D / heads)
            scores = torch.bmm(query, key.transpose(1, 2)).mul_(size**-0.5)
            mixed = torch.bmm(self.dropout(scores.softmax(dim=2)), value)
        return mixed.transpose(0, 1).reshape(length, count, width)


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each added and then normalised."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width=width, heads=heads, dropout=dropout)
        self.widen = nn.Linear(width, width)
        self.narrow = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D)."""
        tokens = self.attention_norm(tokens + self.dropout(self.attention(tokens, lengths)))
        hidden = self.dropout(torch.relu(self.widen(tokens)))
        return self.feed_forward_norm(tokens + self.dropout(self.narrow(hidden)))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A stack of layers."""

    def __init__(self, *, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(width=width, heads=heads, dropout=dropout) for _ in range(layers))

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D), P being the tokens of all granularities; each is a sequence of its own."""
        for layer in self.layers:
            tokens = layer(tokens, lengths)
        return tokens

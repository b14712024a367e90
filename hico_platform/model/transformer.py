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

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) to (N, L, D)."""
        count, length, width = tokens.shape
        qkv = self.qkv(tokens).view(count, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (N, heads, L, D / heads)
        if self.training and not tokens.is_cuda:
            scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(2, 3))
            mixed = torch.matmul(self.dropout(scores.softmax(dim=3)), value)
        else:
            share = self.dropout.p if self.training else 0.0
            mixed = scaled_dot_product_attention(query, key, value, dropout_p=share)
        return self.out(mixed.transpose(1, 2).reshape(count, length, width))  # type: ignore[no-any-return]


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

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) to (N, L, D)."""
        tokens = self.attention_norm(tokens + self.dropout(self.attention(tokens)))
        hidden = self.dropout(torch.relu(self.widen(tokens)))
        return self.feed_forward_norm(tokens + self.dropout(self.narrow(hidden)))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """A stack of layers."""

    def __init__(self, *, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(width=width, heads=heads, dropout=dropout) for _ in range(layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) to (N, L, D)."""
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens

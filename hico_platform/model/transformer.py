"""Post-norm Transformer layers with ReLU, feed-forward width D, and no positional encoding."""

from __future__ import annotations

from torch import Tensor, nn

from hico_platform.ops.attention import attention
from hico_platform.ops.dropout import relu_dropout
from hico_platform.ops.linear import Linear
from hico_platform.ops.norm import add_norm


class SelfAttention(nn.Module):
    """Multi-head self-attention with dropout on the attention weights."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} units cannot be shared out among {heads} heads")
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.dropout = dropout

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D): each of the sequences, ``lengths`` long, within itself."""
        dropout = self.dropout if self.training else 0.0
        return self.out(attention(self.qkv(tokens), lengths, heads=self.heads, dropout=dropout))  # type: ignore[no-any-return]


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each added and then normalised."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width=width, heads=heads, dropout=dropout)
        self.widen = Linear(width, width)
        self.narrow = Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, tokens: Tensor, lengths: tuple[int, ...], *, last: bool = True) -> Tensor:
        """(P, N, D) to (P, N, D), the ``last`` layer's in float32: a maximum over bfloat16 has many equals."""
        tokens = self._add_norm(tokens, self.attention(tokens, lengths), self.attention_norm)
        hidden = relu_dropout(self.widen(tokens), dropout=self.dropout if self.training else 0.0)
        return self._add_norm(tokens, self.narrow(hidden), self.feed_forward_norm, float32=last)

    def _add_norm(self, tokens: Tensor, update: Tensor, norm: nn.LayerNorm, *, float32: bool = False) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        return add_norm(tokens, update, norm.weight, norm.bias, eps=norm.eps, dropout=dropout, float32=float32)


class Transformer(nn.Module):
    """A stack of layers."""

    def __init__(self, *, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(width=width, heads=heads, dropout=dropout) for _ in range(layers))

    def forward(self, tokens: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """(P, N, D) to (P, N, D), P being the tokens of all granularities; each is a sequence of its own."""
        for index, layer in enumerate(self.layers):
            tokens = layer(tokens, lengths, last=index + 1 == len(self.layers))
        return tokens

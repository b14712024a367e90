"""Multi-head self-attention of sequences of several lengths."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hico_platform.ops._backend import kernels


def attention(qkv: Tensor, lengths: tuple[int, ...], *, heads: int, dropout: float) -> Tensor:
    """softmax(q k / sqrt(D / heads)) v of each head, with ``dropout`` on the softmax.

    ``qkv`` (P, N, 3D) holds queries, keys and values of G granularities one after another, each ``lengths[g]`` tokens
    long and attending within itself. Returns (P, N, D).
    """
    fast = kernels("attention", qkv, lengths=lengths)
    if fast is not None:
        return fast.attention(qkv, lengths, heads=heads, dropout=dropout)  # type: ignore[no-any-return]
    return torch.cat([_attention(part, heads, dropout) for part in qkv.split(lengths)])


def _attention(qkv: Tensor, heads: int, dropout: float) -> Tensor:
    """One granularity: (L, N, 3D) to (L, N, D)."""
    query, key, value = qkv.unflatten(2, (3, heads, -1)).permute(2, 1, 3, 0, 4)  # each (N, heads, L, D / heads)
    mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    return mixed.permute(2, 0, 1, 3).flatten(2)

"""Post-norm Transformer layers with ReLU, feed-forward width D, and no positional encoding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import dropout, scaled_dot_product_attention

from hico_platform.ops.cpu.dropout import Drop, draw
from hico_platform.ops.cpu.library import Kernels, kernels_for, suffix
from hico_platform.ops.cuda import usable
from hico_platform.ops.granularities import lengths_tensor
from hico_platform.ops.linear import PARTS, Linear
from hico_platform.ops.precision import products_in_tf32


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
        qkv = self.qkv(tokens)
        if usable(qkv):
            from hico_platform.ops.cuda.attention import Attention, fits
            from hico_platform.ops.cuda.dropout import DeviceDrop

            if fits(lengths, qkv.dtype):
                dropped = DeviceDrop(self.dropout, training=self.training, device=qkv.device)
                return self.out(Attention.apply(qkv, lengths, self.heads, dropped, products_in_tf32()))  # type: ignore[no-any-return, no-untyped-call]
        kernels = kernels_for(qkv)
        if kernels is not None and kernels.multiplies:
            drop = draw(self.dropout, training=self.training)
            return self.out(_Attention.apply(qkv, lengths, self.heads, drop, kernels))  # type: ignore[no-any-return, no-untyped-call]
        return self.out(torch.cat([self._attend(part) for part in qkv.split(lengths)]))  # type: ignore[no-any-return]

    def _attend(self, qkv: Tensor) -> Tensor:
        """One granularity, (L, N, 3D) to (L, N, D)."""
        length, count, width = qkv.shape
        heads = qkv.view(length, count, 3, self.heads, -1).permute(2, 1, 3, 0, 4)  # (3, N, heads, L, D / heads)
        share = self.dropout if self.training else 0.0
        query, key, value = heads.unbind()
        mixed = scaled_dot_product_attention(query, key, value, dropout_p=share)
        return mixed.permute(2, 0, 1, 3).reshape(length, count, width // 3)


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
        """(P, N, D) to (P, N, D), the ``last`` layer's in float32."""
        tokens = self._added(tokens, self.attention(tokens, lengths), self.attention_norm)
        return self._added(tokens, self.narrow(self._bent(self.widen(tokens))), self.feed_forward_norm, exact=last)

    def _added(self, tokens: Tensor, more: Tensor, norm: nn.LayerNorm, *, exact: bool = False) -> Tensor:
        if usable(tokens, more):
            from hico_platform.ops.cuda.dropout import DeviceDrop
            from hico_platform.ops.cuda.norms import AddNorm

            dropped = DeviceDrop(self.dropout, training=self.training, device=more.device)
            return AddNorm.apply(tokens, more, norm.weight, norm.bias, norm.eps, dropped, exact)  # type: ignore[no-any-return, no-untyped-call]
        kernels = kernels_for(tokens, norm.weight, norm.bias)
        if kernels is None or tokens.dtype is not more.dtype:
            both = tokens + dropout(more, self.dropout, self.training)
            return norm(both.to(torch.promote_types(both.dtype, norm.weight.dtype)) if exact else both)  # type: ignore[no-any-return]
        drop = draw(self.dropout, training=self.training)
        return _AddNorm.apply(tokens, more, norm.weight, norm.bias, norm.eps, drop, exact, kernels)  # type: ignore[no-any-return, no-untyped-call]

    def _bent(self, hidden: Tensor) -> Tensor:
        if usable(hidden):
            from hico_platform.ops.cuda.dropout import DeviceDrop, dropped

            return dropped(hidden, DeviceDrop(self.dropout, training=self.training, device=hidden.device))
        kernels = kernels_for(hidden)
        if kernels is None:
            return dropout(torch.relu(hidden), self.dropout, self.training)
        return _ReluDropout.apply(hidden, draw(self.dropout, training=self.training), kernels)  # type: ignore[no-any-return, no-untyped-call]


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


class _Attention(torch.autograd.Function):
    """All heads and granularities in one call; the gradient makes the scores again."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, lengths: tuple[int, ...], heads: int, drop: Drop, kernels: Kernels) -> Tensor:
        """(P, N, 3D) to (P, N, D)."""
        qkv = qkv.contiguous()
        places, count, width = qkv.shape
        made = qkv.new_empty(places, count, width // 3)
        ctx.shape = lengths_tensor(lengths), len(lengths), count, heads, width // 3, (width // 3 // heads) ** -0.5, drop
        kernels.call(f"attention_forward_{suffix(qkv.dtype)}", qkv, *ctx.shape, made)
        ctx.save_for_backward(qkv)
        ctx.kernels = kernels
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """(P, N, D) to (P, N, 3D)."""
        (qkv,) = ctx.saved_tensors
        moved = torch.empty_like(qkv)
        name, given = f"attention_backward_{suffix(qkv.dtype)}", gradients[0].to(qkv.dtype).contiguous()
        ctx.kernels.call(name, qkv, given, *ctx.shape, moved)
        return moved, None, None, None, None


class _AddNorm(torch.autograd.Function):
    """LayerNorm(tokens + dropout(more)), which takes the memory of ``more`` for the sum."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, more: Tensor, gamma: Tensor, beta: Tensor, epsilon: float, drop: Drop, exact: bool,
        kernels: Kernels,
    ) -> Tensor:  # fmt: skip
        """(P, N, D) each, ``gamma`` and ``beta`` (D,); the output is float32 if ``exact``."""
        width = tokens.shape[-1]
        tokens, both = tokens.contiguous(), more.detach()
        rows = tokens.numel() // width
        made = torch.empty_like(tokens, dtype=torch.float32 if exact else None)
        moments = torch.empty(rows, 2)
        kernels.call(
            f"add_norm_forward_{_norm(tokens, made)}", tokens, both, rows, width, drop, gamma, beta, epsilon, made,
            moments,
        )  # fmt: skip
        ctx.save_for_backward(both, moments, gamma)
        ctx.drop, ctx.kernels = drop, kernels
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both terms, gamma and beta."""
        both, moments, gamma = ctx.saved_tensors
        drop: Drop = ctx.drop
        rows, width, given = len(moments), both.shape[-1], gradients[0].contiguous()
        of_tokens = torch.empty_like(both)
        of_more = torch.empty_like(both) if drop.dropped else of_tokens
        sums = torch.empty(PARTS, 2, width)
        ctx.kernels.call(
            f"add_norm_backward_{_norm(both, given)}", both, moments, given, rows, width, drop, gamma, of_tokens,
            of_more, sums, PARTS,
        )  # fmt: skip
        of_gamma, of_beta = sums.sum(dim=0)
        return of_tokens, of_more, of_gamma, of_beta, None, None, None, None


def _norm(added: Tensor, made: Tensor) -> str:
    """The ending of the kernels' names."""
    return suffix(added.dtype) if added.dtype is made.dtype else "bf16_to_float"


class _ReluDropout(torch.autograd.Function):
    """Dropout of what is above zero, in the memory of what it is given."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, drop: Drop, kernels: Kernels) -> Tensor:
        """Of the shape of ``hidden``, which is not read again."""
        left = hidden.detach()
        kernels.call(f"relu_dropout_forward_{suffix(left.dtype)}", left, left.numel(), drop)
        ctx.save_for_backward(left)
        ctx.scale, ctx.kernels = drop.scale, kernels
        return left

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """It passes where something is left."""
        (left,) = ctx.saved_tensors
        given, moved = gradients[0].contiguous(), torch.empty_like(left)
        name = f"relu_dropout_backward_{suffix(left.dtype)}"
        ctx.kernels.call(name, left, given, moved, left.numel(), ctx.scale)
        return moved, None, None

"""Self-attention of short sequences, a head of a sequence to a program.

Queries, keys and values are read where their product left them, and nothing between them and what comes out is in
memory. The gradient makes the scores again.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.dropout import DropoutDraw, kept
from hico_platform.ops.cuda.launch import EXACT, first_tokens, shared_memory
from hico_platform.ops.precision import products_in_tf32

_LONGEST = 64  # tokens whose scores a program's registers hold
# Units of a head that it looks at together, and the bytes of shared memory that takes: from an H100 on, and before.
_CHUNK = {torch.float32: (32, 163840, 122880), torch.bfloat16: (64, 106496, 73728)}


@triton.jit
def _head_units(
    at,
    row,
    mask,  # channels that there are
    k0,
    width,
    k,
    HEAD_D: tl.constexpr,  # units of a head
):
    """Some units, from ``k0`` on, of a head of all tokens, whose rows are ``width`` long."""
    unit_mask = mask[:, None] & (k0 + k < HEAD_D)[None, :]
    return tl.load(at + row[:, None] * width + (k0 + k)[None, :], mask=unit_mask, other=0.0)


@triton.jit
def _softmax(scores, i, length):
    """What each token looks at of the ``length`` that there are."""
    scores = tl.where(i[None, :] < length, scores, float("-inf"))
    weights = tl.exp(scores - tl.max(scores, 1)[:, None])
    return weights / tl.sum(weights, 1)[:, None]


@triton.jit
def _length(first):
    """Of this program's granularity, which says what tiles it needs: 16, 32 or 64 tokens."""
    return tl.load(first + tl.program_id(1) + 1) - tl.load(first + tl.program_id(1))


@triton.jit
def _program(first, count, HEADS: tl.constexpr, MAX_LENGTH: tl.constexpr):
    """Of this program: its head, its tokens, how many there are, and their rows."""
    begin, length = tl.load(first + tl.program_id(1)), _length(first)
    i = tl.arange(0, MAX_LENGTH)
    return tl.program_id(0) % HEADS, i, length, (begin + i).to(tl.int64) * count + tl.program_id(0) // HEADS


@triton.jit
def _forward(
    qkv,  # (P*N, 3, heads, D / heads): queries, keys and values
    first,  # int32 (G + 1,): each granularity's first token
    out,  # (P*N, D)
    seed,  # int32 (2,) on the GPU
    dropped,  # an element whose 32 random bits are below it is dropped
    scale,  # 1 / (1 - dropout)
    softmax_scale,  # (D / heads)^-1/2
    count,  # N, sequences
    HEADS: tl.constexpr,  # heads
    HEAD_D: tl.constexpr,  # units of a head
    MAX_LENGTH: tl.constexpr,  # power of two, at least the longest sequence
    BLOCK_K: tl.constexpr,  # units of a head that are read at a time
    DROPOUT: tl.constexpr,  # whether anything is dropped
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    length = _length(first)
    if MAX_LENGTH > 32 and length > 32:
        _attend(
            qkv,
            first,
            out,
            seed,
            dropped,
            scale,
            softmax_scale,
            count,
            HEADS,
            HEAD_D,
            64,
            MAX_LENGTH,
            BLOCK_K,
            DROPOUT,
            PRECISION,
        )
    elif MAX_LENGTH > 16 and length > 16:
        _attend(
            qkv,
            first,
            out,
            seed,
            dropped,
            scale,
            softmax_scale,
            count,
            HEADS,
            HEAD_D,
            32,
            MAX_LENGTH,
            BLOCK_K,
            DROPOUT,
            PRECISION,
        )
    else:
        _attend(
            qkv,
            first,
            out,
            seed,
            dropped,
            scale,
            softmax_scale,
            count,
            HEADS,
            HEAD_D,
            16,
            MAX_LENGTH,
            BLOCK_K,
            DROPOUT,
            PRECISION,
        )


@triton.jit
def _attend(
    qkv,  # (P*N, 3, heads, D / heads): queries, keys and values
    first,  # int32 (G + 1,): each granularity's first token
    out,  # (P*N, D)
    seed,  # int32 (2,) on the GPU
    dropped,  # an element whose 32 random bits are below it is dropped
    scale,  # 1 / (1 - dropout)
    softmax_scale,  # (D / heads)^-1/2
    count,  # N, sequences
    HEADS: tl.constexpr,  # heads
    HEAD_D: tl.constexpr,  # units of a head
    BLOCK_L: tl.constexpr,  # power of two, at least the tokens of the sequence
    MAX_LENGTH: tl.constexpr,  # power of two, at least the longest sequence
    BLOCK_K: tl.constexpr,  # units of a head that are read at a time
    DROPOUT: tl.constexpr,  # whether anything is dropped
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    """Of a sequence with ``BLOCK_L`` tokens at the most; ``MAX_LENGTH`` are those of any."""
    h, i, length, row = _program(first, count, HEADS, BLOCK_L)
    mask, k, D = i < length, tl.arange(0, BLOCK_K), HEADS * HEAD_D
    query, key, value = qkv + h * HEAD_D, qkv + h * HEAD_D + D, qkv + h * HEAD_D + 2 * D
    scores = tl.zeros((BLOCK_L, BLOCK_L), tl.float32)
    for k0 in range(0, HEAD_D, BLOCK_K):
        left, right = (
            _head_units(query, row, mask, k0, 3 * D, k, HEAD_D),
            _head_units(key, row, mask, k0, 3 * D, k, HEAD_D),
        )
        scores = tl.dot(left, tl.trans(right), scores, input_precision=PRECISION)
    weights = _softmax(scores * softmax_scale, i, length)
    if DROPOUT:
        weights *= kept((row * HEADS + h)[:, None] * MAX_LENGTH + i[None, :], seed, dropped, scale)
    weights = weights.to(qkv.dtype.element_ty)
    for k0 in range(0, HEAD_D, BLOCK_K):
        mixed = tl.dot(weights, _head_units(value, row, mask, k0, 3 * D, k, HEAD_D), input_precision=PRECISION)
        to = out + row[:, None] * D + h * HEAD_D + (k0 + k)[None, :]
        tl.store(to, mixed.to(out.dtype.element_ty), mask=mask[:, None] & (k0 + k < HEAD_D)[None, :])


@triton.jit
def _backward(
    qkv,  # (P*N, 3, heads, D / heads): queries, keys and values
    first,  # int32 (G + 1,): each granularity's first token
    grad_out,  # (P*N, D)
    grad_qkv,  # out (P*N, 3D)
    seed,  # int32 (2,) on the GPU
    dropped,  # an element whose 32 random bits are below it is dropped
    scale,  # 1 / (1 - dropout)
    softmax_scale,  # (D / heads)^-1/2
    count,  # N, sequences
    HEADS: tl.constexpr,  # heads
    HEAD_D: tl.constexpr,  # units of a head
    MAX_LENGTH: tl.constexpr,  # power of two, at least the longest sequence
    BLOCK_K: tl.constexpr,  # units of a head that are read at a time
    DROPOUT: tl.constexpr,  # whether anything is dropped
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    length = _length(first)
    if MAX_LENGTH > 32 and length > 32:
        _attend_backward(
            qkv,
            first,
            grad_out,
            grad_qkv,
            seed,
            dropped,
            scale,
            softmax_scale,
            count,
            HEADS,
            HEAD_D,
            64,
            MAX_LENGTH,
            BLOCK_K,
            DROPOUT,
            PRECISION,
        )
    elif MAX_LENGTH > 16 and length > 16:
        _attend_backward(
            qkv,
            first,
            grad_out,
            grad_qkv,
            seed,
            dropped,
            scale,
            softmax_scale,
            count,
            HEADS,
            HEAD_D,
            32,
            MAX_LENGTH,
            BLOCK_K,
            DROPOUT,
            PRECISION,
        )
    else:
        _attend_backward(
            qkv,
            first,
            grad_out,
            grad_qkv,
            seed,
            dropped,
            scale,
            softmax_scale,
            count,
            HEADS,
            HEAD_D,
            16,
            MAX_LENGTH,
            BLOCK_K,
            DROPOUT,
            PRECISION,
        )


@triton.jit
def _attend_backward(
    qkv,  # (P*N, 3, heads, D / heads): queries, keys and values
    first,  # int32 (G + 1,): each granularity's first token
    grad_out,  # (P*N, D)
    grad_qkv,  # out (P*N, 3D)
    seed,  # int32 (2,) on the GPU
    dropped,  # an element whose 32 random bits are below it is dropped
    scale,  # 1 / (1 - dropout)
    softmax_scale,  # (D / heads)^-1/2
    count,  # N, sequences
    HEADS: tl.constexpr,  # heads
    HEAD_D: tl.constexpr,  # units of a head
    BLOCK_L: tl.constexpr,  # power of two, at least the tokens of the sequence
    MAX_LENGTH: tl.constexpr,  # power of two, at least the longest sequence
    BLOCK_K: tl.constexpr,  # units of a head that are read at a time
    DROPOUT: tl.constexpr,  # whether anything is dropped
    PRECISION: tl.constexpr,  # of float32's products: tf32, or exact by tf32x3
):
    h, i, length, row = _program(first, count, HEADS, BLOCK_L)
    mask, k, D = i < length, tl.arange(0, BLOCK_K), HEADS * HEAD_D
    query, key, value = qkv + h * HEAD_D, qkv + h * HEAD_D + D, qkv + h * HEAD_D + 2 * D
    grad_mixed = grad_out + h * HEAD_D
    scores = tl.zeros((BLOCK_L, BLOCK_L), tl.float32)
    grad_weights = tl.zeros((BLOCK_L, BLOCK_L), tl.float32)
    for k0 in range(0, HEAD_D, BLOCK_K):
        left, right = (
            _head_units(query, row, mask, k0, 3 * D, k, HEAD_D),
            _head_units(key, row, mask, k0, 3 * D, k, HEAD_D),
        )
        scores = tl.dot(left, tl.trans(right), scores, input_precision=PRECISION)
        left, right = (
            _head_units(grad_mixed, row, mask, k0, D, k, HEAD_D),
            _head_units(value, row, mask, k0, 3 * D, k, HEAD_D),
        )
        grad_weights = tl.dot(left, tl.trans(right), grad_weights, input_precision=PRECISION)
    weights = _softmax(scores * softmax_scale, i, length)
    left = weights
    if DROPOUT:
        keeps = kept((row * HEADS + h)[:, None] * MAX_LENGTH + i[None, :], seed, dropped, scale)
        left = weights * keeps
        grad_weights *= keeps
    grad_scores = weights * (grad_weights - tl.sum(weights * grad_weights, 1)[:, None]) * softmax_scale
    dtype = qkv.dtype.element_ty
    grad_scores = grad_scores.to(dtype)
    grad_scores_t = tl.trans(grad_scores)
    left = tl.trans(left.to(dtype))
    for k0 in range(0, HEAD_D, BLOCK_K):
        to = grad_qkv + row[:, None] * (3 * D) + h * HEAD_D + (k0 + k)[None, :]
        unit_mask = mask[:, None] & (k0 + k < HEAD_D)[None, :]
        out = tl.dot(grad_scores, _head_units(key, row, mask, k0, 3 * D, k, HEAD_D), input_precision=PRECISION)
        tl.store(to, out.to(dtype), mask=unit_mask)
        out = tl.dot(grad_scores_t, _head_units(query, row, mask, k0, 3 * D, k, HEAD_D), input_precision=PRECISION)
        tl.store(to + D, out.to(dtype), mask=unit_mask)
        out = tl.dot(left, _head_units(grad_mixed, row, mask, k0, D, k, HEAD_D), input_precision=PRECISION)
        tl.store(to + 2 * D, out.to(dtype), mask=unit_mask)


def fits(lengths: tuple[int, ...], dtype: torch.dtype) -> bool:
    """Whether a sequence's scores fit in a program's registers, and what it multiplies in the GPU's shared memory."""
    if max(lengths) > _LONGEST or dtype not in _CHUNK:
        return False
    _, new, old = _CHUNK[dtype]
    # Consumer cards that came after multiply as the old ones do.
    hopper = (9, 0) <= torch.cuda.get_device_capability() < (12, 0)
    return (new if hopper else old) <= shared_memory()


def _power(size: int) -> int:
    return max(16, 1 << (size - 1).bit_length())


class Attention(torch.autograd.Function):
    """All heads and granularities in one call; each sequence of a granularity within itself."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, lengths: tuple[int, ...], heads: int, drop: DropoutDraw, tf32: bool) -> Tensor:
        """(P, N, 3D) to (P, N, D); float32's products are exact but for ``tf32``."""
        qkv = qkv.contiguous()
        tokens, count, width = qkv.shape
        size = width // 3 // heads
        out = qkv.new_empty(tokens, count, width // 3)
        ctx.first, ctx.grid, ctx.drop = first_tokens(lengths, qkv.device), (count * heads, len(lengths)), drop
        ctx.sizes = {
            "HEADS": heads, "HEAD_D": size, "MAX_LENGTH": _power(max(lengths)),
            "BLOCK_K": min(_CHUNK[qkv.dtype][0], _power(size)),
            "DROPOUT": drop.dropped > 0, "PRECISION": "tf32" if tf32 else EXACT, "num_warps": 4,
        }  # fmt: skip
        _forward[ctx.grid](qkv, ctx.first, out, *drop.arguments(qkv), size**-0.5, count, **ctx.sizes)
        ctx.save_for_backward(qkv)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """(P, N, D) to (P, N, 3D)."""
        (qkv,) = ctx.saved_tensors
        grad_qkv, grad_out, softmax_scale = (
            torch.empty_like(qkv),
            gradients[0].to(qkv.dtype).contiguous(),
            ctx.sizes["HEAD_D"] ** -0.5,
        )
        sizes = {**ctx.sizes, "num_warps": 8}
        _backward[ctx.grid](
            qkv, ctx.first, grad_out, grad_qkv, *ctx.drop.arguments(qkv), softmax_scale, qkv.shape[1], **sizes
        )  # fmt: skip
        return grad_qkv, None, None, None, None


def supports(qkv: Tensor, *, lengths: tuple[int, ...]) -> bool:
    """Sequences that :func:`fits` takes."""
    return fits(lengths, qkv.dtype)


def attention(qkv: Tensor, lengths: tuple[int, ...], *, heads: int, dropout: float) -> Tensor:
    """(P, N, 3D) to (P, N, D)."""
    mask = DropoutDraw(dropout, training=dropout > 0, device=qkv.device)
    return Attention.apply(qkv, lengths, heads, mask, products_in_tf32())  # type: ignore[no-any-return, no-untyped-call]

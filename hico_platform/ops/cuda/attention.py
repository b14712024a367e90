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

from hico_platform.ops.cuda.dropout import DeviceDrop, kept
from hico_platform.ops.cuda.launch import EXACT, first_tokens, shared_memory
from hico_platform.ops.precision import products_in_tf32

_LONGEST = 64  # tokens whose scores a program's registers hold
# Units of a head that it looks at together, and the bytes of shared memory that takes: from an H100 on, and before.
_CHUNK = {torch.float32: (32, 163840, 122880), torch.bfloat16: (64, 106496, 73728)}


@triton.jit
def _part(at, row, there, deep, width, k, SIZE: tl.constexpr):
    """Some units, from ``deep`` on, of a head of all tokens, whose rows are ``width`` long."""
    inside = there[:, None] & (deep + k < SIZE)[None, :]
    return tl.load(at + row[:, None] * width + (deep + k)[None, :], mask=inside, other=0.0)


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
def _place(first, count, HEADS: tl.constexpr, LONG: tl.constexpr):
    """Of this program: its head, its tokens, how many there are, and their rows."""
    begin, length = tl.load(first + tl.program_id(1)), _length(first)
    i = tl.arange(0, LONG)
    return tl.program_id(0) % HEADS, i, length, (begin + i).to(tl.int64) * count + tl.program_id(0) // HEADS


@triton.jit
def _forward(
    qkv, first, made, seed, dropped, scale, over, count,
    HEADS: tl.constexpr, SIZE: tl.constexpr, LONG: tl.constexpr, CHUNK: tl.constexpr, DROP: tl.constexpr,
    PRODUCTS: tl.constexpr,
):  # fmt: skip
    length = _length(first)
    if LONG > 32 and length > 32:
        _attend(qkv, first, made, seed, dropped, scale, over, count, HEADS, SIZE, 64, LONG, CHUNK, DROP, PRODUCTS)
    elif LONG > 16 and length > 16:
        _attend(qkv, first, made, seed, dropped, scale, over, count, HEADS, SIZE, 32, LONG, CHUNK, DROP, PRODUCTS)
    else:
        _attend(qkv, first, made, seed, dropped, scale, over, count, HEADS, SIZE, 16, LONG, CHUNK, DROP, PRODUCTS)


@triton.jit
def _attend(
    qkv, first, made, seed, dropped, scale, over, count,
    HEADS: tl.constexpr, SIZE: tl.constexpr, ROOM: tl.constexpr, LONG: tl.constexpr, CHUNK: tl.constexpr,
    DROP: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Of a sequence with ``ROOM`` tokens at the most; ``LONG`` are those of any."""
    h, i, length, row = _place(first, count, HEADS, ROOM)
    there, k, D = i < length, tl.arange(0, CHUNK), HEADS * SIZE
    query, key, value = qkv + h * SIZE, qkv + h * SIZE + D, qkv + h * SIZE + 2 * D
    scores = tl.zeros((ROOM, ROOM), tl.float32)
    for deep in range(0, SIZE, CHUNK):
        left, right = _part(query, row, there, deep, 3 * D, k, SIZE), _part(key, row, there, deep, 3 * D, k, SIZE)
        scores = tl.dot(left, tl.trans(right), scores, input_precision=PRODUCTS)
    weights = _softmax(scores * over, i, length)
    if DROP:
        weights *= kept((row * HEADS + h)[:, None] * LONG + i[None, :], seed, dropped, scale)
    weights = weights.to(qkv.dtype.element_ty)
    for deep in range(0, SIZE, CHUNK):
        mixed = tl.dot(weights, _part(value, row, there, deep, 3 * D, k, SIZE), input_precision=PRODUCTS)
        to = made + row[:, None] * D + h * SIZE + (deep + k)[None, :]
        tl.store(to, mixed.to(made.dtype.element_ty), mask=there[:, None] & (deep + k < SIZE)[None, :])


@triton.jit
def _backward(
    qkv, first, given, moved, seed, dropped, scale, over, count,
    HEADS: tl.constexpr, SIZE: tl.constexpr, LONG: tl.constexpr, CHUNK: tl.constexpr, DROP: tl.constexpr,
    PRODUCTS: tl.constexpr,
):  # fmt: skip
    length = _length(first)
    if LONG > 32 and length > 32:
        _go_back(
            qkv, first, given, moved, seed, dropped, scale, over, count, HEADS, SIZE, 64, LONG, CHUNK, DROP, PRODUCTS
        )
    elif LONG > 16 and length > 16:
        _go_back(
            qkv, first, given, moved, seed, dropped, scale, over, count, HEADS, SIZE, 32, LONG, CHUNK, DROP, PRODUCTS
        )
    else:
        _go_back(
            qkv, first, given, moved, seed, dropped, scale, over, count, HEADS, SIZE, 16, LONG, CHUNK, DROP, PRODUCTS
        )


@triton.jit
def _go_back(
    qkv, first, given, moved, seed, dropped, scale, over, count,
    HEADS: tl.constexpr, SIZE: tl.constexpr, ROOM: tl.constexpr, LONG: tl.constexpr, CHUNK: tl.constexpr,
    DROP: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    h, i, length, row = _place(first, count, HEADS, ROOM)
    there, k, D = i < length, tl.arange(0, CHUNK), HEADS * SIZE
    query, key, value = qkv + h * SIZE, qkv + h * SIZE + D, qkv + h * SIZE + 2 * D
    arriving = given + h * SIZE
    scores = tl.zeros((ROOM, ROOM), tl.float32)
    of_weights = tl.zeros((ROOM, ROOM), tl.float32)
    for deep in range(0, SIZE, CHUNK):
        left, right = _part(query, row, there, deep, 3 * D, k, SIZE), _part(key, row, there, deep, 3 * D, k, SIZE)
        scores = tl.dot(left, tl.trans(right), scores, input_precision=PRODUCTS)
        left, right = _part(arriving, row, there, deep, D, k, SIZE), _part(value, row, there, deep, 3 * D, k, SIZE)
        of_weights = tl.dot(left, tl.trans(right), of_weights, input_precision=PRODUCTS)
    weights = _softmax(scores * over, i, length)
    left = weights
    if DROP:
        keeps = kept((row * HEADS + h)[:, None] * LONG + i[None, :], seed, dropped, scale)
        left = weights * keeps
        of_weights *= keeps
    of_scores = weights * (of_weights - tl.sum(weights * of_weights, 1)[:, None]) * over
    kind = qkv.dtype.element_ty
    of_scores = of_scores.to(kind)
    turned = tl.trans(of_scores)
    left = tl.trans(left.to(kind))
    for deep in range(0, SIZE, CHUNK):
        to = moved + row[:, None] * (3 * D) + h * SIZE + (deep + k)[None, :]
        inside = there[:, None] & (deep + k < SIZE)[None, :]
        made = tl.dot(of_scores, _part(key, row, there, deep, 3 * D, k, SIZE), input_precision=PRODUCTS)
        tl.store(to, made.to(kind), mask=inside)
        made = tl.dot(turned, _part(query, row, there, deep, 3 * D, k, SIZE), input_precision=PRODUCTS)
        tl.store(to + D, made.to(kind), mask=inside)
        made = tl.dot(left, _part(arriving, row, there, deep, D, k, SIZE), input_precision=PRODUCTS)
        tl.store(to + 2 * D, made.to(kind), mask=inside)


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
    def forward(ctx: Any, qkv: Tensor, lengths: tuple[int, ...], heads: int, drop: DeviceDrop, tf32: bool) -> Tensor:
        """(P, N, 3D) to (P, N, D); float32's products are exact but for ``tf32``."""
        qkv = qkv.contiguous()
        places, count, width = qkv.shape
        size = width // 3 // heads
        made = qkv.new_empty(places, count, width // 3)
        ctx.first, ctx.grid, ctx.drop = first_tokens(lengths, qkv.device), (count * heads, len(lengths)), drop
        ctx.sizes = {
            "HEADS": heads, "SIZE": size, "LONG": _power(max(lengths)),
            "CHUNK": min(_CHUNK[qkv.dtype][0], _power(size)),
            "DROP": drop.dropped > 0, "PRODUCTS": "tf32" if tf32 else EXACT, "num_warps": 4,
        }  # fmt: skip
        _forward[ctx.grid](qkv, ctx.first, made, *drop.arguments(qkv), size**-0.5, count, **ctx.sizes)
        ctx.save_for_backward(qkv)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """(P, N, D) to (P, N, 3D)."""
        (qkv,) = ctx.saved_tensors
        moved, given, over = torch.empty_like(qkv), gradients[0].to(qkv.dtype).contiguous(), ctx.sizes["SIZE"] ** -0.5
        sizes = {**ctx.sizes, "num_warps": 8}
        _backward[ctx.grid](
            qkv, ctx.first, given, moved, *ctx.drop.arguments(qkv), over, qkv.shape[1], **sizes
        )  # fmt: skip
        return moved, None, None, None, None


def supports(qkv: Tensor, *, lengths: tuple[int, ...]) -> bool:
    """Sequences that :func:`fits` takes."""
    return fits(lengths, qkv.dtype)


def attention(qkv: Tensor, lengths: tuple[int, ...], *, heads: int, dropout: float) -> Tensor:
    """(P, N, 3D) to (P, N, D)."""
    mask = DeviceDrop(dropout, training=dropout > 0, device=qkv.device)
    return Attention.apply(qkv, lengths, heads, mask, products_in_tf32())  # type: ignore[no-any-return, no-untyped-call]

"""Products in float32 on tensor cores: an operand is the sum of two float16, three of whose four products count.

A float16 has 11 bits, so two have float32's but two, once a power of two has brought the whole tensor to float16's
range, and the second half another 2^11. Numbers from 2^-28 of the tensor's largest on keep them all; of smaller ones
up to 2^-50 of the largest is lost: a norm over the tensor does not see it, a row of such numbers alone would.
Tensor cores cut off what they add; so the products of first halves are added to one another there for a few terms only,
and after that as float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cuda.sizes import multiprocessors, shared_memory
from hico_platform.ops.cuda.sums import added_up

EXACT = "tf32x3"  # Triton's name for float32's products by TensorFloat-32, where no halves are at hand
# Of a tile of the output: rows, columns, terms that are added at a time; warps and stages.
_TILE, _ITS_MEMORY = (128, 128, 64, 8, 3), 196608  # what it takes of a program's shared memory: an H100 has it
_SMALLER = (128, 64, 32, 8, 3)
_TOGETHER = 8  # rows of tiles that go together, so that what they read stays in the cache
_ROWS, _COLUMNS = 32, 256  # a tile that a program looks at, and then splits
_LOOKED = 2048  # tiles whose largest each program that splits looks at once more
_FEWEST = 1024, 256  # rows, and columns or terms, below which cuBLAS is as fast
_SHORTEST = 512  # terms that a program adds at the least, where programs share out a sum
_GPUS = (8, 0), (9, 0)  # A100 and H100; others have fewer tensor cores for as many float32 units


@triton.jit
def _look(
    rows, largest, sums, tall, wide, stride, TALL: tl.constexpr, WIDE: tl.constexpr, SUMS: tl.constexpr
):  # fmt: skip
    """The largest number of a tile of ``rows``, as its bits, and the ``sums`` of its columns."""
    r, c = tl.program_id(0) * TALL + tl.arange(0, TALL), tl.program_id(1) * WIDE + tl.arange(0, WIDE)
    there = (r < tall)[:, None] & (c < wide)[None, :]
    tile = tl.load(rows + r.to(tl.int64)[:, None] * stride + c[None, :], mask=there, other=0.0)
    bits = tile.to(tl.int32, bitcast=True) & 0x7FFFFFFF  # which compare as numbers do
    bits = tl.where(bits < 0x7F800000, bits, 0)  # what is no number stays so at any scale, and leaves it to the others
    tl.store(largest + tl.program_id(0) * tl.num_programs(1) + tl.program_id(1), tl.max(tl.max(bits, 1), 0))
    if SUMS:
        tl.store(sums + tl.program_id(0).to(tl.int64) * wide + c, tl.sum(tile, 0), mask=c < wide)


@triton.jit
def _split(
    rows, largest, looked, high, low, over, tall, wide, stride, ALL: tl.constexpr, TALL: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    """Halves of ``rows`` times the power of two that brings the largest to 2^14 and more; 2^``over`` undoes it."""
    i = tl.arange(0, ALL)
    exponent = tl.max(tl.load(largest + i, mask=i < looked, other=0), 0) >> 23
    power = tl.minimum(268 - exponent, 253)
    scale = (power << 23).to(tl.float32, bitcast=True)
    if (tl.program_id(0) == 0) & (tl.program_id(1) == 0):
        tl.store(over, 127 - power)
    r, c = tl.program_id(0) * TALL + tl.arange(0, TALL), tl.program_id(1) * WIDE + tl.arange(0, WIDE)
    there = (r < tall)[:, None] & (c < wide)[None, :]
    values = scale * tl.load(rows + r.to(tl.int64)[:, None] * stride + c[None, :], mask=there, other=0.0)
    first, at = values.to(tl.float16), r.to(tl.int64)[:, None] * wide + c[None, :]
    tl.store(high + at, first, mask=there)
    tl.store(low + at, ((values - first.to(tl.float32)) * 2048.0).to(tl.float16), mask=there)


@triton.jit
def _product(
    left_high, left_low, left_over, right_high, right_low, right_over, bias, out, rows, columns, deep, share,
    left_row, left_deep, right_deep, right_column,
    TALL: tl.constexpr, WIDE: tl.constexpr, DEEP: tl.constexpr, TOGETHER: tl.constexpr, BIAS: tl.constexpr,
):  # fmt: skip
    """``out`` (shares, rows, columns): of ``share`` terms each, left (rows, deep) times right (deep, columns)."""
    wide, tall = tl.cdiv(columns, WIDE), tl.cdiv(rows, TALL)
    first, within = tl.program_id(0) // (TOGETHER * wide) * TOGETHER, tl.program_id(0) % (TOGETHER * wide)
    high = tl.minimum(tall - first, TOGETHER)
    r = ((first + within % high) * TALL + tl.arange(0, TALL)).to(tl.int64)
    c, k = (within // high * WIDE + tl.arange(0, WIDE)).to(tl.int64), tl.arange(0, DEEP).to(tl.int64)
    begin = tl.program_id(1) * share
    end = tl.minimum(begin + share, deep)
    at_left = (r % rows)[:, None] * left_row + (begin + k)[None, :] * left_deep
    at_right = (begin + k)[:, None] * right_deep + (c % columns)[None, :] * right_column
    total = tl.zeros((TALL, WIDE), tl.float32)
    apart = tl.zeros((TALL, WIDE), tl.float32)
    for now in range(begin, end, DEEP):
        inside = now + k < end
        a = tl.load(left_high + at_left, mask=inside[None, :], other=0.0)
        b = tl.load(right_high + at_right, mask=inside[:, None], other=0.0)
        a_low = tl.load(left_low + at_left, mask=inside[None, :], other=0.0)
        b_low = tl.load(right_low + at_right, mask=inside[:, None], other=0.0)
        apart = tl.dot(a, b_low, apart)
        apart = tl.dot(a_low, b, apart)
        total += tl.dot(a, b, max_num_imprecise_acc=DEEP)  # which keeps Triton from adding to the total within
        at_left += DEEP * left_deep
        at_right += DEEP * right_deep
    over = tl.load(left_over) + tl.load(right_over)
    half = over >> 1  # each half of the way is a power that a float32 has
    total = (total + apart * (1.0 / 2048.0)) * ((127 + half) << 23).to(tl.float32, bitcast=True)
    total *= ((127 + over - half) << 23).to(tl.float32, bitcast=True)
    if BIAS:
        total += tl.load(bias + c, mask=c < columns, other=0.0)[None, :]
    to = (tl.program_id(1).to(tl.int64) * rows + r)[:, None] * columns + c[None, :]
    tl.store(out + to, total, mask=(r < rows)[:, None] & (c < columns)[None, :])


class Halves(NamedTuple):
    """Two float16 of each number, (M, N), and the exponent of what undoes their scale, int32 (1,)."""

    high: Tensor
    low: Tensor
    over: Tensor

    @property
    def T(self) -> Halves:
        """(N, M)."""
        return Halves(self.high.T, self.low.T, self.over)

    def narrow(self, dim: int, start: int, length: int) -> Halves:
        """As a tensor's."""
        return Halves(self.high.narrow(dim, start, length), self.low.narrow(dim, start, length), self.over)


def halved(rows: Tensor) -> Halves:
    """Of rows (M, N) in float32, next to one another or apart."""
    return _halved(rows, None)


def halved_and_summed(rows: Tensor) -> tuple[Halves, Tensor]:
    """Of rows (M, N) in float32, and the sums of their columns (N,)."""
    sums = rows.new_empty(triton.cdiv(len(rows), _ROWS), rows.shape[1])
    return _halved(rows, sums), added_up(sums)


def _halved(rows: Tensor, sums: Tensor | None) -> Halves:
    (tall, wide), stride = rows.shape, rows.stride(0)
    grid = triton.cdiv(tall, _ROWS), triton.cdiv(wide, _COLUMNS)
    largest = torch.empty(grid, dtype=torch.int32, device=rows.device)
    _look[grid](
        rows, largest, rows if sums is None else sums, tall, wide, stride, TALL=_ROWS, WIDE=_COLUMNS,
        SUMS=sums is not None, num_warps=8,
    )  # fmt: skip
    high, low = (torch.empty(tall, wide, dtype=torch.float16, device=rows.device) for _ in range(2))
    if largest.numel() > _LOOKED:
        largest = largest.amax().view(1)
    over = largest.new_empty(1)
    _split[grid](
        rows, largest, largest.numel(), high, low, over, tall, wide, stride,
        ALL=triton.next_power_of_2(largest.numel()), TALL=_ROWS, WIDE=_COLUMNS, num_warps=8,
    )  # fmt: skip
    return Halves(high, low, over)


def multiplied(left: Halves, right: Halves, bias: Tensor | None = None) -> Tensor:
    """left (M, K) @ right (K, N), plus bias (N,)."""
    (rows, deep), columns = left.high.shape, right.high.shape[1]
    tall, wide, depth, warps, stages = _TILE if shared_memory() >= _ITS_MEMORY else _SMALLER
    tiles = triton.cdiv(rows, tall) * triton.cdiv(columns, wide)
    shares = max(1, min(multiprocessors() // tiles, deep // _SHORTEST))
    share = triton.cdiv(triton.cdiv(deep, shares), depth) * depth
    shares = triton.cdiv(deep, share)
    out = torch.empty(shares, rows, columns, device=left.high.device)
    _product[(tiles, shares)](
        *left, *right, out if bias is None else bias, out, rows, columns, deep, share, *left.high.stride(),
        *right.high.stride(), TALL=tall, WIDE=wide, DEEP=depth, TOGETHER=_TOGETHER,
        BIAS=bias is not None and shares == 1, num_warps=warps, num_stages=stages,
    )  # fmt: skip
    made = added_up(out)
    return made if bias is None or shares == 1 else made.add_(bias)


def splits(device: torch.device) -> bool:
    """Whether the GPU has so many tensor cores that three products of halves are faster than float32's."""
    return torch.cuda.get_device_capability(device) in _GPUS


def pays(tokens: Tensor, weight: Tensor) -> bool:
    """Whether :class:`Linear` is faster for these, and takes them."""
    enough = tokens.numel() // tokens.shape[-1] >= _FEWEST[0] and min(weight.shape) >= _FEWEST[1]
    aligned = not any(size % 16 for size in weight.shape)
    return enough and aligned and tokens.dtype is weight.dtype is torch.float32 and splits(tokens.device)


class Linear(torch.autograd.Function):
    """tokens (., K) @ weight.T (K, L), plus bias."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``weight`` (L, K), ``bias`` (L,)."""
        rows, columns = halved(tokens.reshape(-1, tokens.shape[-1]).contiguous()), halved(weight.contiguous())
        ctx.save_for_backward(*rows, *columns)
        ctx.shape = tokens.shape
        return multiplied(rows, columns.T, bias).view(*tokens.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of all three."""
        saved = ctx.saved_tensors
        rows, columns = Halves(*saved[:3]), Halves(*saved[3:])
        given, of_bias = halved_and_summed(gradients[0].reshape(-1, columns.high.shape[0]).contiguous())
        return (
            multiplied(given, columns).view(ctx.shape) if ctx.needs_input_grad[0] else None,
            multiplied(given.T, rows) if ctx.needs_input_grad[1] else None,
            of_bias if ctx.needs_input_grad[2] else None,
        )

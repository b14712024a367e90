"""Linear layers in float32 on tensor cores: an operand is the sum of two TensorFloat-32, three of whose products count.

That is as exact as float32 (on an H200 1.5e-7 in norm where cuBLAS has 4e-7) and 1.5 times as fast there, where
TensorFloat-32 is eight times as fast as float32 and more. It takes operands whose sums lie along their rows; the
gradient of a weight, whose sums lie across, stays cuBLAS's.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

EXACT = "tf32x3"  # Triton's name for such products
_TALL, _WIDE, _DEEP = 128, 64, 32  # a tile of the output, and how many terms are summed at a time
_TOGETHER = 8  # rows of tiles that go together, so that what they read stays in the cache
_FEWEST = 1024, 256  # rows, and columns or terms, below which cuBLAS is as fast
_GPUS = (8, 0), (9, 0)  # A100 and H100; others have fewer tensor cores for as many float32 units


@triton.jit
def _product(
    left, right, bias, out, sums, rows, columns, deep,
    TALL: tl.constexpr, WIDE: tl.constexpr, DEEP: tl.constexpr, TOGETHER: tl.constexpr, BIAS: tl.constexpr,
    SUMS: tl.constexpr,
):  # fmt: skip
    """``out`` (rows, columns) = ``left`` (rows, deep) times ``right`` (columns, deep) turned, plus ``bias``.

    ``sums`` (blocks of rows, deep) become those of the left's columns in each.
    """
    wide, tall = tl.cdiv(columns, WIDE), tl.cdiv(rows, TALL)
    first, within = tl.program_id(0) // (TOGETHER * wide) * TOGETHER, tl.program_id(0) % (TOGETHER * wide)
    high = tl.minimum(tall - first, TOGETHER)
    block = first + within % high
    r = (block * TALL + tl.arange(0, TALL)).to(tl.int64)
    c, k = (within // high * WIDE + tl.arange(0, WIDE)).to(tl.int64), tl.arange(0, DEEP)
    at_left = left + (r % rows)[:, None] * deep + k[None, :]
    at_right = right + (c % columns)[None, :] * deep + k[:, None]
    total = tl.zeros((TALL, WIDE), tl.float32)
    for begin in range(0, deep, DEEP):
        a = tl.load(at_left + begin, mask=(begin + k < deep)[None, :], other=0.0)
        b = tl.load(at_right + begin, mask=(begin + k < deep)[:, None], other=0.0)
        total = tl.dot(a, b, total, input_precision="tf32x3")
        if SUMS:
            counted = tl.sum(tl.where((r < rows)[:, None], a, 0.0), 0)
            tl.store(sums + block * deep + begin + k, counted, mask=(begin + k < deep) & (within // high == 0))
    if BIAS:
        total += tl.load(bias + c, mask=c < columns, other=0.0)[None, :]
    tl.store(out + r[:, None] * columns + c[None, :], total, mask=(r < rows)[:, None] & (c < columns)[None, :])


def turned(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """left (M, K) @ right (N, K).T, plus bias (N,); all contiguous and float32."""
    return _multiplied(left, right, bias, None)


def turned_and_summed(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """left (M, K) @ right (N, K).T, and the sums of left's columns (K,)."""
    sums = left.new_empty(triton.cdiv(len(left), _TALL), left.shape[1])
    return _multiplied(left, right, None, sums), sums.sum(dim=0)


def _multiplied(left: Tensor, right: Tensor, bias: Tensor | None, sums: Tensor | None) -> Tensor:
    (rows, deep), columns = left.shape, len(right)
    out = left.new_empty(rows, columns)
    _product[(triton.cdiv(rows, _TALL) * triton.cdiv(columns, _WIDE),)](
        left, right, out if bias is None else bias, out, out if sums is None else sums, rows, columns, deep,
        TALL=_TALL, WIDE=_WIDE, DEEP=_DEEP, TOGETHER=_TOGETHER, BIAS=bias is not None, SUMS=sums is not None,
        num_warps=4, num_stages=3,
    )  # fmt: skip
    return out


def splits(device: torch.device) -> bool:
    """Whether the GPU has so many tensor cores that three products of TensorFloat-32 are faster than float32's."""
    return torch.cuda.get_device_capability(device) in _GPUS


def pays(tokens: Tensor, weight: Tensor) -> bool:
    """Whether :class:`Linear` is faster for these, and takes them."""
    enough = tokens.numel() // tokens.shape[-1] >= _FEWEST[0] and min(weight.shape) >= _FEWEST[1]
    return enough and tokens.dtype is weight.dtype is torch.float32 and splits(tokens.device)


class Linear(torch.autograd.Function):
    """tokens (., K) @ weight.T (K, L), plus bias."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``weight`` (L, K), ``bias`` (L,)."""
        rows = tokens.reshape(-1, tokens.shape[-1]).contiguous()
        ctx.save_for_backward(rows, weight)
        ctx.shape = tokens.shape
        return turned(rows, weight.contiguous(), bias).view(*tokens.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of all three."""
        rows, weight = ctx.saved_tensors
        given = gradients[0].reshape(-1, len(weight)).contiguous()
        of_tokens = of_bias = None
        if ctx.needs_input_grad[0]:
            moved, of_bias = turned_and_summed(given, weight.T.contiguous())
            of_tokens = moved.view(ctx.shape)
        elif ctx.needs_input_grad[2]:
            of_bias = given.sum(dim=0)
        return (
            of_tokens,
            given.T @ rows if ctx.needs_input_grad[1] else None,
            of_bias if ctx.needs_input_grad[2] else None,
        )

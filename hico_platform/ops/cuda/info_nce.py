"""InfoNCE over a queue: what lies between its two products, an anchor to a program.

N: anchors, G: granularities, P: width of a projection, K: keys of the queue. Everything is float32 and contiguous.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK_K = 2048  # logits that a program looks at together


@triton.jit
def _softmax(
    anchor,  # (N, P)
    positives,  # (N, G, P) keys
    logits,  # (N, K) of the queue; out: their gradients
    inv_temperature,  # 1 / temperature
    losses,  # (N,) out
    grad_anchor,  # (N, P) out: the positives' part
    granularities,  # G
    keys,  # K, keys of the queue
    P: tl.constexpr,  # width of a projection
    BLOCK_P: tl.constexpr,  # power of two, at least P
    BLOCK_G: tl.constexpr,  # power of two, at least G
    BLOCK_K: tl.constexpr,  # how many are read at a time
):
    """``logits`` (N, K) become their part of the gradient; ``grad_anchor`` is the positives' part of the anchor's."""
    n, j = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK_P)
    which, k = tl.arange(0, BLOCK_G), tl.arange(0, BLOCK_K)
    scaled_anchor = tl.load(anchor + n * P + j, mask=j < P, other=0.0) * inv_temperature
    mask = (which[:, None] < granularities) & (j[None, :] < P)
    positive_keys = tl.load(positives + (n * granularities + which)[:, None] * P + j[None, :], mask=mask, other=0.0)
    positive = tl.where(which < granularities, tl.sum(positive_keys * scaled_anchor[None, :], 1), float("-inf"))
    positive_maximum = tl.max(positive, 0)
    weights = tl.exp(positive - positive_maximum)
    positive_total = tl.sum(weights, 0)  # of exp(positive - highest)
    row = logits + n * keys
    maximum, total = positive_maximum, positive_total
    for first in range(0, keys, BLOCK_K):
        value = tl.load(row + first + k, mask=first + k < keys, other=float("-inf"))
        new_maximum = tl.maximum(maximum, tl.max(value, 0))
        total = total * tl.exp(maximum - new_maximum) + tl.sum(tl.exp(value - new_maximum), 0)
        maximum = new_maximum
    tl.store(losses + n, maximum + tl.log(total) - positive_maximum - tl.log(positive_total))
    for first in range(0, keys, BLOCK_K):
        value = tl.load(row + first + k, mask=first + k < keys, other=float("-inf"))
        tl.store(row + first + k, tl.exp(value - maximum) / total * inv_temperature, mask=first + k < keys)
    grad_positive = weights * (tl.exp(positive_maximum - maximum) / total - 1.0 / positive_total) * inv_temperature
    tl.store(grad_anchor + n * P + j, tl.sum(positive_keys * grad_positive[:, None], 0), mask=j < P)


class InfoNce(torch.autograd.Function):
    """The forward pass makes the gradient too, while the logits are at hand."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, positives: Tensor, queue: Tensor, temperature: float) -> Tensor:
        """(N, P), (N, G, P) and (K, P) to the mean of the losses."""
        anchor, positives = anchor.contiguous(), positives.contiguous()
        (count, width), granularities, keys = anchor.shape, positives.shape[1], len(queue)
        logits = torch.addmm(anchor.new_empty(()), anchor, queue.T, beta=0, alpha=1 / temperature)
        losses, grad_anchor = anchor.new_empty(count), torch.empty_like(anchor)
        _softmax[(count,)](
            anchor, positives, logits, 1 / temperature, losses, grad_anchor, granularities, keys, P=width,
            BLOCK_P=triton.next_power_of_2(width), BLOCK_G=triton.next_power_of_2(granularities), BLOCK_K=_BLOCK_K,
        )  # fmt: skip
        ctx.save_for_backward(grad_anchor.addmm_(logits, queue))
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The anchor's gradient."""
        (grad_anchor,) = ctx.saved_tensors
        return grad_anchor * (gradients[0] / len(grad_anchor)), None, None, None


def supports(anchor: Tensor, positives: Tensor, queue: Tensor) -> bool:
    """Float32 anchors, and keys that want no gradient, which training has none of."""
    return anchor.dtype is torch.float32 and not (positives.requires_grad or queue.requires_grad)


def info_nce(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """(N, P), (N, G, P) and (K, P) to the mean of the losses."""
    return InfoNce.apply(anchor, positives, queue, temperature)  # type: ignore[no-any-return, no-untyped-call]

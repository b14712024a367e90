"""InfoNCE over a queue: what lies between its two products, an anchor to a program."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_RUN = 2048  # logits that a program looks at together


@triton.jit
def _softmax(
    anchor, positives, logits, over, losses, gradient, granularities, size,
    P: tl.constexpr, WIDE: tl.constexpr, MANY: tl.constexpr, RUN: tl.constexpr,
):  # fmt: skip
    """``logits`` (N, K) become their part of the gradient; ``gradient`` is what the positives make of the anchor's."""
    n, j = tl.program_id(0).to(tl.int64), tl.arange(0, WIDE)
    which, k = tl.arange(0, MANY), tl.arange(0, RUN)
    own = tl.load(anchor + n * P + j, mask=j < P, other=0.0) * over
    there = (which[:, None] < granularities) & (j[None, :] < P)
    keys = tl.load(positives + (n * granularities + which)[:, None] * P + j[None, :], mask=there, other=0.0)
    positive = tl.where(which < granularities, tl.sum(keys * own[None, :], 1), float("-inf"))
    highest = tl.max(positive, 0)
    weights = tl.exp(positive - highest)
    of_positives = tl.sum(weights, 0)  # of exp(positive - highest)
    row = logits + n * size
    most, total = highest, of_positives
    for first in range(0, size, RUN):
        value = tl.load(row + first + k, mask=first + k < size, other=float("-inf"))
        more = tl.maximum(most, tl.max(value, 0))
        total = total * tl.exp(most - more) + tl.sum(tl.exp(value - more), 0)
        most = more
    tl.store(losses + n, most + tl.log(total) - highest - tl.log(of_positives))
    for first in range(0, size, RUN):
        value = tl.load(row + first + k, mask=first + k < size, other=float("-inf"))
        tl.store(row + first + k, tl.exp(value - most) / total * over, mask=first + k < size)
    share = weights * (tl.exp(highest - most) / total - 1.0 / of_positives) * over
    tl.store(gradient + n * P + j, tl.sum(keys * share[:, None], 0), mask=j < P)


class InfoNce(torch.autograd.Function):
    """The forward pass makes the gradient too, while the logits are at hand."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, positives: Tensor, queue: Tensor, temperature: float) -> Tensor:
        """(N, P), (N, G, P) and (K, P) to the mean of the losses."""
        anchor, positives = anchor.contiguous(), positives.contiguous()
        (count, width), granularities, size = anchor.shape, positives.shape[1], len(queue)
        logits = torch.addmm(anchor.new_empty(()), anchor, queue.T, beta=0, alpha=1 / temperature)
        losses, gradient = anchor.new_empty(count), torch.empty_like(anchor)
        _softmax[(count,)](
            anchor, positives, logits, 1 / temperature, losses, gradient, granularities, size, P=width,
            WIDE=triton.next_power_of_2(width), MANY=triton.next_power_of_2(granularities), RUN=_RUN,
        )  # fmt: skip
        ctx.save_for_backward(gradient.addmm_(logits, queue))
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The anchor's gradient."""
        (gradient,) = ctx.saved_tensors
        return gradient * (gradients[0] / len(gradient)), None, None, None

"""InfoNCE by one reading of the queue; the forward pass makes the gradient, while a block of logits is at hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import call, multiplies


def supports(anchor: Tensor, positives: Tensor, queue: Tensor) -> bool:
    """Float32 anchors, and keys that want no gradient, which training has none of."""
    return multiplies() and anchor.dtype is torch.float32 and not (positives.requires_grad or queue.requires_grad)


def info_nce(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """(N, P), (N, G, P) and (K, P) to the mean of the losses."""
    return _InfoNce.apply(anchor, positives, queue, temperature)  # type: ignore[no-any-return, no-untyped-call]


class _InfoNce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchor: Tensor, positives: Tensor, queue: Tensor, temperature: float) -> Tensor:
        anchor, positives, queue = anchor.contiguous(), positives.contiguous(), queue.contiguous()
        sizes = *positives.shape[:2], *queue.shape  # N, G, K, P
        losses, grad_anchor = anchor.new_empty(len(anchor)), torch.empty_like(anchor)
        call("info_nce", anchor, positives, queue, *sizes, 1 / temperature, losses, grad_anchor)
        ctx.save_for_backward(grad_anchor)
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (grad_anchor,) = ctx.saved_tensors
        return grad_anchor * (gradients[0] / len(grad_anchor)), None, None, None

"""InfoNCE over a queue, with one positive key or several (paper: hierarchical contrast)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.ops.cpu.library import Kernels, kernels_for
from hico_platform.ops.cuda import usable
from hico_platform.ops.linear import product


class Logits(NamedTuple):
    """Similarities over the temperature: ``positive`` (N, positives), ``negative`` (N, queue size)."""

    positive: Tensor
    negative: Tensor


def contrast_logits(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Logits:
    """Logits of anchors (N, P) against positive keys (N, positives, P) and queue keys (K, P)."""
    scaled = anchor / temperature
    positive = torch.einsum("np,ngp->ng", scaled, positives)
    return Logits(positive=positive, negative=product(scaled, queue))


def info_nce(logits: Logits) -> Tensor:
    """-log( sum over positives of exp / sum over all of exp ), the mean over the batch."""
    positive = torch.logsumexp(logits.positive, dim=1)  # (N,)
    everything = torch.logaddexp(positive, torch.logsumexp(logits.negative, dim=1))  # (N,)
    return (everything - positive).mean()


def contrast(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """:func:`info_nce` of :func:`contrast_logits`; on a CPU by a kernel that never has the logits in memory.

    Keys that want a gradient, which training has none of, go PyTorch's way.
    """
    plain = anchor.dtype is not torch.float32 or positives.requires_grad or queue.requires_grad
    if not plain and usable(anchor, positives, queue):
        from hico_platform.ops.cuda.contrast import InfoNce

        return InfoNce.apply(anchor, positives, queue, temperature)  # type: ignore[no-any-return, no-untyped-call]
    kernels = kernels_for(anchor, positives, queue)
    if plain or kernels is None or not kernels.multiplies:
        return info_nce(contrast_logits(anchor, positives, queue, temperature=temperature))
    return _InfoNce.apply(anchor, positives, queue, temperature, kernels)  # type: ignore[no-any-return, no-untyped-call]


class _InfoNce(torch.autograd.Function):
    """The forward pass makes the gradient too, while each block of logits is at hand."""

    @staticmethod
    def forward(
        ctx: Any, anchor: Tensor, positives: Tensor, queue: Tensor, temperature: float, kernels: Kernels
    ) -> Tensor:
        """(N, P), (N, G, P) and (K, P) to the mean of the losses."""
        anchor, positives, queue = anchor.contiguous(), positives.contiguous(), queue.contiguous()
        (count, width), granularities, size = anchor.shape, positives.shape[1], len(queue)
        losses, gradient = anchor.new_empty(count), torch.empty_like(anchor)
        kernels.call(
            "info_nce", anchor, positives, queue, count, granularities, size, width, 1 / temperature, losses, gradient
        )
        ctx.save_for_backward(gradient)
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The anchor's gradient."""
        (gradient,) = ctx.saved_tensors
        return gradient * (gradients[0] / len(gradient)), None, None, None, None

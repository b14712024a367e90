"""InfoNCE over a queue, with one positive key or several (paper: hierarchical contrast)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hico_platform.model.products import product
from hico_platform.native.library import Kernels, kernels_for


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
    everything = torch.logaddexp(positive, _logsumexp(logits.negative))  # (N,)
    return (everything - positive).mean()


def _logsumexp(logits: Tensor) -> Tensor:
    """(N, K) to (N,)."""
    kernels = kernels_for(logits)
    if kernels is None or logits.dtype is not torch.float32:
        return torch.logsumexp(logits, dim=1)
    return _LogSumExp.apply(logits, kernels)  # type: ignore[no-any-return, no-untyped-call]


class _LogSumExp(torch.autograd.Function):
    """Two passes over the logits forwards, one backwards."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, kernels: Kernels) -> Tensor:
        """(N, K) to (N,)."""
        logits = logits.contiguous()
        made = logits.new_empty(len(logits))
        kernels.call("logsumexp_forward", logits, *logits.shape, made)
        ctx.save_for_backward(logits, made)
        ctx.kernels = kernels
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """(N,) to (N, K)."""
        logits, made = ctx.saved_tensors
        moved = torch.empty_like(logits)
        ctx.kernels.call("logsumexp_backward", logits, made, gradients[0].contiguous(), *logits.shape, moved)
        return moved, None

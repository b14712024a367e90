"""InfoNCE over a queue, with one positive key or several (paper: hierarchical contrast)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Logits(NamedTuple):
    """Similarities over the temperature: ``positive`` (N, positives), ``negative`` (N, queue size)."""

    positive: Tensor
    negative: Tensor


def contrast_logits(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Logits:
    """Logits of anchors (N, P) against positive keys (N, positives, P) and queue keys (K, P)."""
    scaled = anchor / temperature
    positive = torch.einsum("np,ngp->ng", scaled, positives)
    return Logits(positive=positive, negative=scaled @ queue.T)


def info_nce(logits: Logits) -> Tensor:
    """-log( sum over positives of exp / sum over all of exp ), the mean over the batch."""
    positive = torch.logsumexp(logits.positive, dim=1)  # (N,)
    everything = torch.logaddexp(positive, torch.logsumexp(logits.negative, dim=1))  # (N,)
    return (everything - positive).mean()

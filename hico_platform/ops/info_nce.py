"""InfoNCE over a queue of keys, with one positive key or several."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hico_platform.ops._backend import kernels


class Logits(NamedTuple):
    """Similarities over the temperature: ``positive`` (N, G) and ``negative`` (N, K)."""

    positive: Tensor
    negative: Tensor


def contrast_logits(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Logits:
    """Logits of anchors (N, P) against positive keys (N, G, P) and the keys of a queue (K, P)."""
    scaled = anchor / temperature
    return Logits(positive=torch.einsum("np,ngp->ng", scaled, positives), negative=scaled @ queue.T)


def loss_of_logits(logits: Logits) -> Tensor:
    """-log( sum over positives of exp / sum over all of exp ), the mean over the batch."""
    positive = torch.logsumexp(logits.positive, dim=1)  # (N,)
    everything = torch.logaddexp(positive, torch.logsumexp(logits.negative, dim=1))  # (N,)
    return (everything - positive).mean()


def info_nce(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """:func:`loss_of_logits` of :func:`contrast_logits`; kernels never have the logits in memory."""
    fast = kernels("info_nce", anchor, positives, queue)
    if fast is not None:
        return fast.info_nce(anchor, positives, queue, temperature=temperature)  # type: ignore[no-any-return]
    return loss_of_logits(contrast_logits(anchor, positives, queue, temperature=temperature))

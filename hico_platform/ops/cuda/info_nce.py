"""InfoNCE over a queue; logits are never in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from hico_platform.ops.cuda.contrast import InfoNce


def supports(anchor: Tensor, positives: Tensor, queue: Tensor) -> bool:
    """Float32 anchors, and keys that want no gradient, which training has none of."""
    return anchor.dtype is torch.float32 and not (positives.requires_grad or queue.requires_grad)


def info_nce(anchor: Tensor, positives: Tensor, queue: Tensor, *, temperature: float) -> Tensor:
    """(N, P), (N, G, P) and (K, P) to the mean of the losses."""
    return InfoNce.apply(anchor, positives, queue, temperature)  # type: ignore[no-any-return, no-untyped-call]

"""Dropout after ReLU."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from hico_platform.ops._backend import kernels


def relu_dropout(x: Tensor, *, dropout: float) -> Tensor:
    """ReLU, then dropout with probability ``dropout``; ``x`` may be written over."""
    fast = kernels("dropout", x)
    if fast is not None:
        return fast.relu_dropout(x, dropout=dropout)  # type: ignore[no-any-return]
    return F.dropout(F.relu(x), dropout)

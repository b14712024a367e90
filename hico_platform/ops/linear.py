"""Linear layers."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hico_platform.ops._backend import kernels


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (., K) times weight (L, K) transposed, plus bias (L,): (., L)."""
    fast = kernels("linear", x, weight)
    if fast is not None:
        return fast.linear(x, weight, bias)  # type: ignore[no-any-return]
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """nn.Linear by :func:`linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """(., K) to (., L)."""
        return linear(x, self.weight, self.bias)

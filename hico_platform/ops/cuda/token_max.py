"""The maximum over the tokens of each granularity."""

from __future__ import annotations

from torch import Tensor

from hico_platform.ops.cuda.downsampling import TokenMaximum


def supports(x: Tensor) -> bool:
    """Any tensor."""
    return True


def token_max(x: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """(P, N, D) to (N, G, D)."""
    return TokenMaximum.apply(x, lengths)  # type: ignore[no-any-return, no-untyped-call]

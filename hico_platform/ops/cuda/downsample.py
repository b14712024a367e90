"""All granularities in one tensor."""

from __future__ import annotations

from torch import Tensor

from hico_platform.ops.cuda.downsampling import Downsample


def supports(x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor) -> bool:
    """A convolution over five tokens."""
    return len(taps) == 5


def downsample(
    x: Tensor, taps: Tensor, bias: Tensor, norm_weight: Tensor, norm_bias: Tensor, *, lengths: tuple[int, ...],
    eps: float,
) -> Tensor:  # fmt: skip
    """(L, N, D), ``taps`` (5, D), the others (D,), to (P, N, D)."""
    return Downsample.apply(x, taps, bias, norm_weight, norm_bias, eps, lengths)  # type: ignore[no-any-return, no-untyped-call]

"""From tokens that are frames to tokens that are joints."""

from __future__ import annotations

from torch import Tensor

from hico_platform.ops._backend import kernels


def joints_first(poses: Tensor) -> Tensor:
    """Poses (N, T, K, C) of K joints to (N, K, T, C), contiguous."""
    fast = kernels("joints_first", poses)
    if fast is not None:
        return fast.joints_first(poses)  # type: ignore[no-any-return]
    return poses.transpose(1, 2).contiguous()

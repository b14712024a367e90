"""From tokens that are frames to tokens that are joints, without strides."""

from __future__ import annotations

import torch
from torch import Tensor

from hico_platform.ops.cpu.library import call


def supports(poses: Tensor) -> bool:
    """Float32 poses that want no gradient."""
    return poses.dtype is torch.float32 and not poses.requires_grad


def joints_first(poses: Tensor) -> Tensor:
    """(N, T, K, C) to (N, K, T, C)."""
    sequences, frames, joints, coordinates = poses.shape
    out = poses.new_empty(sequences, joints, frames, coordinates)
    call("joints_first", poses.contiguous(), sequences, frames, joints, coordinates, out)
    return out

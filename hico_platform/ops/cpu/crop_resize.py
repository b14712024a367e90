"""Crop, resize and the joints' matrices, a sequence at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from hico_platform.ops.cpu.library import call


def supports(values: Tensor) -> bool:
    """Float32 poses."""
    return values.dtype is torch.float32


def crop_resize(
    values: Tensor, offsets: Tensor, num_bodies: Tensor, start: Tensor, length: Tensor, *, frames: int, bodies: int,
    joints: int, coordinates: int, matrices: Tensor | None,
) -> Tensor:  # fmt: skip
    """(N, T, M, J, C); the sequences' frames lie inside ``values``."""
    shape = len(start), frames, bodies, joints, coordinates
    out = torch.empty(shape)
    index = [each.contiguous() for each in (offsets, num_bodies, start, length)]
    call("crop_resize", values, *index, None if matrices is None else matrices.contiguous(), *shape, out)
    return out

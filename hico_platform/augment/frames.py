"""Temporal crops of many sequences at once, resized to T frames, from one flat tensor of stored poses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hico_platform.ops.crop_resize import crop_resize


@dataclass(frozen=True, kw_only=True)
class StoredPoses:
    """Where a batch's poses lie.

    ``values`` is one flat float32 tensor; sequence i occupies ``num_frames[i] * num_bodies[i] * J * C`` of it
    from ``offsets[i]``, ordered (T, M, J, C). ``offsets``, ``num_frames`` and ``num_bodies`` are int64 (N,).
    """

    values: Tensor
    offsets: Tensor
    num_frames: Tensor
    num_bodies: Tensor
    joints: int
    bodies: int = 2
    coordinates: int = 3

    def take(self, indices: Tensor | slice) -> StoredPoses:
        """The same poses for the sequences ``indices``."""
        return StoredPoses(
            values=self.values,
            offsets=self.offsets[indices],
            num_frames=self.num_frames[indices],
            num_bodies=self.num_bodies[indices],
            joints=self.joints,
            bodies=self.bodies,
            coordinates=self.coordinates,
        )

    def to(self, device: torch.device) -> StoredPoses:
        """The same poses on ``device``."""
        return StoredPoses(
            values=self.values.to(device),
            offsets=self.offsets.to(device),
            num_frames=self.num_frames.to(device),
            num_bodies=self.num_bodies.to(device),
            joints=self.joints,
            bodies=self.bodies,
            coordinates=self.coordinates,
        )


def crop_and_resize(
    poses: StoredPoses, start: Tensor, length: Tensor, *, frames: int, matrices: Tensor | None = None
) -> Tensor:
    """Cuts ``length`` (N,) frames from ``start`` (N,) and resizes them linearly to ``frames``.

    Half-pixel centres, as align_corners=False. ``matrices`` (N, J, C, C), if given, then multiply the joints.
    Returns (N, T, M, J, C); a missing body is zeros.
    """
    return crop_resize(
        poses.values, poses.offsets, poses.num_bodies, start, length, frames=frames, bodies=poses.bodies,
        joints=poses.joints, coordinates=poses.coordinates, matrices=matrices,
    )  # fmt: skip


def random_crop(
    num_frames: Tensor, *, min_ratio: float, min_frames: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Start and length (N,) of a crop: ratio ~ U(min_ratio, 1) of the valid frames, start uniform."""
    draws = torch.rand((2, len(num_frames)), generator=generator, device=generator.device)
    ratio = min_ratio + (1 - min_ratio) * draws[0]
    length = (num_frames * ratio).floor().to(torch.int64)
    length = torch.minimum(length.clamp_min(min_frames), num_frames)
    start = (draws[1] * (num_frames - length + 1)).floor().to(torch.int64)
    return torch.minimum(start, num_frames - length), length


def centre_crop(num_frames: Tensor, *, share: float) -> tuple[Tensor, Tensor]:
    """Start and length (N,) of the middle ``share`` of the frames: int((1 - share) * n / 2) go at each end."""
    start = ((1 - share) * num_frames.to(torch.float64) / 2).to(torch.int64)
    return start, num_frames - 2 * start

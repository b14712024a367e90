"""Temporal crops of many sequences at once, resized to T frames, from one flat tensor of stored poses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hico_platform.augment.spatial import transform
from hico_platform.ops.cpu.library import kernels_for


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

    def take(self, indices: Tensor) -> StoredPoses:
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
    kernels = kernels_for(poses.values)
    if kernels is not None and poses.values.dtype is torch.float32:
        shape = len(start), frames, poses.bodies, poses.joints, poses.coordinates
        made = torch.empty(shape)
        each = [part.contiguous() for part in (poses.offsets, poses.num_bodies, start, length)]
        _refuse_what_lies_outside(poses, *each)
        kernels.call("crop_views", poses.values, *each, matrices, *shape, made)
        return made
    made = _crop_and_resize(poses, start, length, frames=frames)
    return made if matrices is None else transform(made, matrices)


def _refuse_what_lies_outside(
    poses: StoredPoses, offsets: Tensor, bodies: Tensor, start: Tensor, length: Tensor
) -> None:
    """A kernel reads where it is told, so a damaged index is an error here, as it is to an indexed read."""
    frame = bodies * (poses.joints * poses.coordinates)
    first, last = offsets + start * frame, offsets + (start + length) * frame
    if len(first) and (int(first.min()) < 0 or int(last.max()) > poses.values.numel() or int(length.min()) < 1):
        raise IndexError("a sequence's frames lie outside the stored poses: the store's index is damaged")


def _crop_and_resize(poses: StoredPoses, start: Tensor, length: Tensor, *, frames: int) -> Tensor:
    # Position of each output frame in its crop, and the two stored frames beside it.
    steps = torch.arange(frames, device=length.device, dtype=torch.float32)
    scale = length.to(torch.float32) / frames  # (N,)
    position = ((steps + 0.5) * scale[:, None] - 0.5).clamp_min_(0)  # (N, T)
    below = position.floor().to(torch.int64)
    below = torch.minimum(below, (length - 1)[:, None])
    above = torch.minimum(below + 1, (length - 1)[:, None])
    share = (position - below)[:, :, None, None]  # (N, T, 1, 1)
    body = torch.arange(poses.bodies, device=length.device)
    present = body[None, None, :, None] < poses.num_bodies[:, None, None, None]  # (N, 1, M, 1)
    lower = _gather(poses, start[:, None] + below, body)  # (N, T, M, J*C)
    upper = _gather(poses, start[:, None] + above, body)
    mixed = lower.add_(upper.sub_(lower).mul_(share))  # lerp with one weight a row is not vectorised
    mixed[:, :, 1:].mul_(present[:, :, 1:])  # every sequence has a first body
    return mixed.view(*mixed.shape[:3], poses.joints, poses.coordinates)


def _gather(poses: StoredPoses, frame: Tensor, body: Tensor) -> Tensor:
    """Stored rows of ``frame`` (N, T) and each body: (N, T, M, J*C); an absent body repeats the last."""
    row = poses.joints * poses.coordinates
    body = torch.minimum(body, poses.num_bodies[:, None] - 1)[:, None, :]  # (N, 1, M)
    first = poses.offsets[:, None, None] + (frame[:, :, None] * poses.num_bodies[:, None, None] + body) * row
    # Every row of the flat tensor, as overlapping windows: one indexed read, whatever a row's alignment.
    windows = poses.values.as_strided((len(poses.values) - row + 1, row), (1, 1))
    return windows.index_select(0, first.flatten()).view(*first.shape, row)


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

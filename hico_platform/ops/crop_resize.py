"""Temporal crops of many stored sequences at once, resized, with a matrix on each joint."""

from __future__ import annotations

import torch
from torch import Tensor

from hico_platform.ops._backend import kernels


def crop_resize(
    values: Tensor, offsets: Tensor, num_bodies: Tensor, start: Tensor, length: Tensor, *, frames: int, bodies: int,
    joints: int, coordinates: int, matrices: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Cuts ``length`` (N,) frames from ``start`` (N,) and resizes them linearly to T frames: (N, T, M, J, C).

    ``values`` is one flat tensor, in which sequence n is (frames, ``num_bodies[n]``, J, C) from ``offsets[n]``.
    Half-pixel centres, as align_corners=False. ``matrices`` (N, J, C, C), if given, multiply the joints. A missing
    body is zeros.

    Raises:
        IndexError: a sequence's frames lie outside ``values``.
    """
    row = joints * coordinates
    fast = kernels("crop_resize", values)
    if fast is not None:
        _refuse_what_lies_outside(values, offsets, num_bodies * row, start, length)
        sizes = {"frames": frames, "bodies": bodies, "joints": joints, "coordinates": coordinates}
        return fast.crop_resize(values, offsets, num_bodies, start, length, matrices=matrices, **sizes)  # type: ignore[no-any-return]
    # Position of each output frame in its crop, and the two stored frames beside it.
    steps = torch.arange(frames, device=length.device, dtype=torch.float32)
    position = ((steps + 0.5) * (length.to(torch.float32) / frames)[:, None] - 0.5).clamp_min_(0)  # (N, T)
    below = torch.minimum(position.floor().to(torch.int64), (length - 1)[:, None])
    above = torch.minimum(below + 1, (length - 1)[:, None])
    share = (position - below)[:, :, None, None]  # (N, T, 1, 1)
    body = torch.arange(bodies, device=length.device)
    present = body[None, None, :, None] < num_bodies[:, None, None, None]  # (N, 1, M, 1)
    lower = _rows(values, offsets, num_bodies, start[:, None] + below, body, row)  # (N, T, M, J*C)
    upper = _rows(values, offsets, num_bodies, start[:, None] + above, body, row)
    mixed = lower.add_(upper.sub_(lower).mul_(share))  # lerp with one weight a row is not vectorised
    mixed[:, :, 1:].mul_(present[:, :, 1:])  # every sequence has a first body
    poses = mixed.view(*mixed.shape[:3], joints, coordinates)
    return poses if matrices is None else transform_joints(poses, matrices)


def _refuse_what_lies_outside(values: Tensor, offsets: Tensor, frame: Tensor, start: Tensor, length: Tensor) -> None:
    """A kernel reads where it is told, so a damaged index is an error here, as it is to an indexed read."""
    first, last = offsets + start * frame, offsets + (start + length) * frame
    if len(first) and (int(first.min()) < 0 or int(last.max()) > values.numel() or int(length.min()) < 1):
        raise IndexError("a sequence's frames lie outside the stored poses: the store's index is damaged")


def _rows(values: Tensor, offsets: Tensor, num_bodies: Tensor, frame: Tensor, body: Tensor, row: int) -> Tensor:
    """Stored rows of ``frame`` (N, T) and each body: (N, T, M, J*C); an absent body repeats the last."""
    body = torch.minimum(body, num_bodies[:, None] - 1)[:, None, :]  # (N, 1, M)
    first = offsets[:, None, None] + (frame[:, :, None] * num_bodies[:, None, None] + body) * row
    # Every row of the flat tensor, as overlapping windows: one indexed read, whatever a row's alignment.
    windows = values.as_strided((len(values) - row + 1, row), (1, 1))
    return windows.index_select(0, first.flatten()).view(*first.shape, row)


def transform_joints(poses: Tensor, matrices: Tensor) -> Tensor:
    """Each joint of (N, T, M, J, C) times its matrix of (N, J, C, C): one product for each sequence."""
    count, joints, coordinates = matrices.shape[:3]
    # One block of a frame's matrix a joint, the identity where nothing is done.
    blocks = matrices.new_zeros((count, joints, coordinates, joints, coordinates))
    blocks.diagonal(dim1=1, dim2=3).copy_(matrices.permute(0, 3, 2, 1))
    return torch.bmm(poses.flatten(3).flatten(1, 2), blocks.flatten(3).flatten(1, 2)).view_as(poses)

"""Joint, bone and motion streams, and the two token sequences of a view (METHOD: two views of one sequence)."""

from __future__ import annotations

import torch
from torch import Tensor

from hico_platform.enums import Stream
from hico_platform.ops.cpu.library import kernels_for


def to_stream(poses: Tensor, stream: Stream, *, parents: Tensor) -> Tensor:
    """What the encoder is shown of (N, T, M, J, C): joints, bones (child minus parent) or motion."""
    match stream:
        case Stream.JOINT:
            return poses
        case Stream.BONE:
            return poses - poses[:, :, :, parents]
        case Stream.MOTION:
            motion = torch.zeros_like(poses)
            torch.sub(poses[:, 1:], poses[:, :-1], out=motion[:, :-1])
            return motion


def temporal_tokens(poses: Tensor) -> Tensor:
    """(N, T, M, J, C) to (N, T, M*J*C): one token a frame, features ordered body, joint, coordinate."""
    return poses.flatten(2)


def spatial_tokens(poses: Tensor) -> Tensor:
    """(N, T, M, J, C) to (N, M*J, T*C): one token a joint of a body, features ordered frame, coordinate."""
    kernels = kernels_for(poses)
    if kernels is None or poses.dtype is not torch.float32 or poses.requires_grad:
        return poses.permute(0, 2, 3, 1, 4).flatten(1, 2).flatten(2)
    count, frames, bodies, joints, coordinates = poses.shape
    made = poses.new_empty(count, bodies * joints, frames * coordinates)
    kernels.call("joints_first", poses.contiguous(), count, frames, bodies * joints, coordinates, made)
    return made

"""Joint, bone and motion streams, and the two token sequences of a view."""

from __future__ import annotations

import torch
from torch import Tensor

from hico_platform.enums import Stream
from hico_platform.ops.joints_first import joints_first


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
    return joints_first(poses.flatten(2, 3)).flatten(2)

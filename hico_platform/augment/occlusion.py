"""Occlusion of views: joints of body parts, or a block of frames, are missing, and so zero as in a store."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def without_parts(poses: Tensor, *, parts: Sequence[Sequence[int]], count: int, generator: torch.Generator) -> Tensor:
    """Poses (N, T, M, J, C) without the joints of ``count`` of the ``parts``, drawn for each sequence.

    They are missing in all frames and of all bodies.
    """
    order = torch.rand((len(poses), len(parts)), generator=generator, device=generator.device).argsort(dim=1)
    chosen = torch.zeros_like(order, dtype=torch.bool).scatter_(1, order[:, :count], True)  # (N, parts)
    of_part = torch.zeros((len(parts), poses.shape[3]), dtype=torch.bool, device=generator.device)
    for part, joints in enumerate(parts):
        of_part[part, list(joints)] = True
    missing = (chosen[:, :, None] & of_part).any(dim=1)  # (N, J)
    return poses.masked_fill(missing[:, None, None, :, None], 0.0)


def without_frames(poses: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Poses (N, T, M, J, C) without a block of round(share T) frames, whose place is drawn for each sequence."""
    frames = poses.shape[1]
    length = round(share * frames)
    draws = torch.rand(len(poses), generator=generator, device=generator.device)
    start = (draws * (frames - length + 1)).floor().clamp_max(frames - length)
    at = torch.arange(frames, device=generator.device)
    missing = (at >= start[:, None]) & (at < start[:, None] + length)  # (N, T)
    return poses.masked_fill(missing[:, :, None, None, None], 0.0)

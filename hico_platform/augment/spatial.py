"""Spatial augmentation: joint corruption or shear, each with probability 1/2 (METHOD: views, step 2).

Both put a 3x3 matrix on a set of joints: shear on all of them, corruption a random or a zero matrix on
some. So a batch is one product.
"""

from __future__ import annotations

import torch
from torch import Tensor


def spatial_augment(poses: Tensor, *, corrupted_joints: int, generator: torch.Generator) -> Tensor:
    """Augments (N, T, M, J, C), one draw a sequence, the same for all its frames and bodies."""
    count, joints, coordinates = poses.shape[0], poses.shape[3], poses.shape[4]
    device = poses.device
    draws = torch.rand((2, count), generator=generator, device=device)
    sheared, zeroed = draws[0] < 0.5, draws[1] < 0.5  # (N,)
    matrices = torch.rand((count, coordinates, coordinates), generator=generator, device=device) * 2 - 1
    diagonal = matrices.diagonal(dim1=1, dim2=2)
    diagonal[sheared] = 1.0
    matrices[~sheared & zeroed] = 0.0
    order = torch.rand((count, joints), generator=generator, device=device).argsort(dim=1)
    touched = torch.zeros((count, joints), dtype=torch.bool, device=device)
    touched.scatter_(1, order[:, :corrupted_joints], True)
    touched |= sheared[:, None]
    # One block of a frame's matrix a joint, the identity where nothing is done: one product for each sequence.
    blocks = torch.zeros((count, joints, coordinates, joints, coordinates), device=device)
    identity = torch.eye(coordinates, device=device)
    each = torch.where(touched[:, :, None, None], matrices.transpose(1, 2)[:, None], identity)  # (N, J, C, C)
    blocks.diagonal(dim1=1, dim2=3).copy_(each.permute(0, 2, 3, 1))
    return torch.bmm(poses.flatten(3).flatten(1, 2), blocks.flatten(3).flatten(1, 2)).view_as(poses)

"""Spatial augmentation: joint corruption or shear, each with probability 1/2.

Both put a matrix on a set of joints: shear on all of them, corruption a random or a zero matrix on some.
"""

from __future__ import annotations

import torch
from torch import Tensor


def draw_matrices(
    count: int, *, joints: int, coordinates: int, corrupted_joints: int, generator: torch.Generator
) -> Tensor:
    """(N, J, C, C): what each joint of each sequence is multiplied by, the same for all its frames and bodies."""
    device = generator.device
    draws = torch.rand((2, count), generator=generator, device=device)
    sheared, zeroed = draws[0] < 0.5, draws[1] < 0.5  # (N,)
    matrices = torch.rand((count, coordinates, coordinates), generator=generator, device=device) * 2 - 1
    matrices.diagonal(dim1=1, dim2=2).masked_fill_(sheared[:, None], 1.0)
    matrices.masked_fill_((~sheared & zeroed)[:, None, None], 0.0)
    order = torch.rand((count, joints), generator=generator, device=device).argsort(dim=1)
    touched = torch.zeros((count, joints), dtype=torch.bool, device=device)
    touched.scatter_(1, order[:, :corrupted_joints], True)
    touched |= sheared[:, None]
    return torch.where(touched[:, :, None, None], matrices[:, None], torch.eye(coordinates, device=device))

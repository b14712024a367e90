"""Spatial augmentation: a matrix on each joint, the same in all frames and bodies of a view.

As released, all joints are sheared or some are corrupted. Rotation and scale are views of this project, off at the
released settings; they come first, as if the person stood elsewhere before the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hico_platform.enums import Corruption

_ZEROED_SHARE = {Corruption.EITHER: 0.5, Corruption.ZEROED: 1.0, Corruption.RANDOM: 0.0}


@dataclass(frozen=True, kw_only=True)
class SpatialAugmentation:
    """What the matrices of a view are drawn from; the defaults are the released settings.

    Args:
        shear_probability: of a shear, which touches all joints.
        shear_strength: an element of a shear off its diagonal is uniform within plus and minus this.
        corruption_probability: of corruption, where a view is not sheared.
        corruption: what corruption puts on the joints that it touches.
        corrupted_joint_share: how many of the joints it touches.
        rotation_degrees: largest angle about the vertical, which a normalised store has on z; uniform up to it, either
            way. Poses in an image turn in its plane.
        tilt_degrees: the same about x and about y, after the turn about the vertical; of 3D poses alone.
        scale: a view is enlarged by a factor that is uniform in 1 - scale to 1 + scale.
    """

    shear_probability: float = 0.5
    shear_strength: float = 1.0
    corruption_probability: float = 1.0
    corruption: Corruption = Corruption.EITHER
    corrupted_joint_share: float = 0.6
    rotation_degrees: float = 0.0
    tilt_degrees: float = 0.0
    scale: float = 0.0


def draw_matrices(
    count: int, *, joints: int, coordinates: int, augmentation: SpatialAugmentation, generator: torch.Generator
) -> Tensor:
    """(N, J, C, C): what each joint of each sequence is multiplied by, the same for all its frames and bodies.

    Rotation and scale are drawn after all else and only where they are on, so a seed gives the released views as ever.
    """
    matrices = _shear_or_corruption(count, joints, coordinates, augmentation, generator)
    placed = None
    if augmentation.rotation_degrees or augmentation.tilt_degrees:
        placed = _rotations(count, coordinates, augmentation, generator)
    if augmentation.scale:
        draws = torch.rand((count, 1, 1), generator=generator, device=generator.device)
        factor = 1 + (2 * draws - 1) * augmentation.scale
        placed = factor * (torch.eye(coordinates, device=generator.device) if placed is None else placed)
    if placed is None:
        return matrices
    # In elements rather than as a product of matrices, which a GPU may compute in TensorFloat-32.
    return (matrices[..., None] * placed[:, None, None]).sum(dim=-2)


def _shear_or_corruption(
    count: int, joints: int, coordinates: int, augmentation: SpatialAugmentation, generator: torch.Generator
) -> Tensor:
    """(N, J, C, C): a shear on all joints, or on some of them a random or a zero matrix, or nothing."""
    device = generator.device
    draws = torch.rand((2, count), generator=generator, device=device)
    # One draw decides among shear, corruption and nothing.
    shear = augmentation.shear_probability
    sheared = draws[0] < shear  # (N,)
    corrupted = ~sheared & (draws[0] < shear + (1 - shear) * augmentation.corruption_probability)
    zeroed = corrupted & (draws[1] < _ZEROED_SHARE[augmentation.corruption])
    matrices = torch.rand((count, coordinates, coordinates), generator=generator, device=device) * 2 - 1
    if augmentation.shear_strength != 1:
        matrices = torch.where(sheared[:, None, None], matrices * augmentation.shear_strength, matrices)
    matrices.diagonal(dim1=1, dim2=2).masked_fill_(sheared[:, None], 1.0)
    matrices.masked_fill_(zeroed[:, None, None], 0.0)
    order = torch.rand((count, joints), generator=generator, device=device).argsort(dim=1)
    touched = torch.zeros((count, joints), dtype=torch.bool, device=device)
    touched.scatter_(1, order[:, : round(augmentation.corrupted_joint_share * joints)], True)
    touched = (touched & corrupted[:, None]) | sheared[:, None]
    return torch.where(touched[:, :, None, None], matrices[:, None], torch.eye(coordinates, device=device))


def _rotations(count: int, coordinates: int, augmentation: SpatialAugmentation, generator: torch.Generator) -> Tensor:
    """(N, C, C): about z first, and then about x and about y, each by an angle of its own."""
    device = generator.device
    draws = torch.rand((3 if coordinates == 3 else 1, count), generator=generator, device=device) * 2 - 1
    turn = _turns(draws[0] * math.radians(augmentation.rotation_degrees))  # (N, 2, 2)
    if coordinates == 2:
        return turn
    tilts = _turns(draws[1:] * math.radians(augmentation.tilt_degrees))  # (2, N, 2, 2)
    about = torch.eye(3, device=device).repeat(3, count, 1, 1)  # of z, x and y
    about[0, :, :2, :2] = turn
    about[1, :, 1:, 1:] = tilts[0]
    about[2, :, ::2, ::2] = tilts[1].mT  # from z to x is the positive sense about y
    turned = (about[1][..., None] * about[0][:, None]).sum(dim=-2)
    return (about[2][..., None] * turned[:, None]).sum(dim=-2)


def _turns(angles: Tensor) -> Tensor:
    """The rotations (..., 2, 2) in a plane by ``angles`` (...) in radians, from its first axis to its second."""
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.stack([cosine, -sine], dim=-1), torch.stack([sine, cosine], dim=-1)], dim=-2)

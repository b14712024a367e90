"""The matrices of a view against SciPy's rotations and against what the released settings always drew."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from hico_platform.augment.spatial import SpatialAugmentation, draw_matrices
from hico_platform.enums import Corruption

ROTATED: dict[str, Any] = {"rotation_degrees": 30, "tilt_degrees": 10}
NEITHER: dict[str, Any] = {"shear_probability": 0, "corruption_probability": 0}


def drawn(count: int = 2000, *, joints: int = 5, coordinates: int = 3, seed: int = 0, **values: Any) -> Tensor:
    return draw_matrices(
        count,
        joints=joints,
        coordinates=coordinates,
        augmentation=SpatialAugmentation(**values),
        generator=torch.Generator().manual_seed(seed),
    )


def released(count: int, *, joints: int, coordinates: int, corrupted_joints: int, generator: torch.Generator) -> Tensor:
    """As this project drew them before there was any other view."""
    draws = torch.rand((2, count), generator=generator)
    sheared, zeroed = draws[0] < 0.5, draws[1] < 0.5
    matrices = torch.rand((count, coordinates, coordinates), generator=generator) * 2 - 1
    matrices.diagonal(dim1=1, dim2=2).masked_fill_(sheared[:, None], 1.0)
    matrices.masked_fill_((~sheared & zeroed)[:, None, None], 0.0)
    order = torch.rand((count, joints), generator=generator).argsort(dim=1)
    touched = torch.zeros((count, joints), dtype=torch.bool)
    touched.scatter_(1, order[:, :corrupted_joints], True)
    touched |= sheared[:, None]
    return torch.where(touched[:, :, None, None], matrices[:, None], torch.eye(coordinates))


@pytest.mark.parametrize("coordinates", [2, 3])
def test_released_settings_draw_what_they_always_drew_and_no_more(coordinates: int) -> None:
    ours, theirs = (torch.Generator().manual_seed(3) for _ in range(2))
    expected = released(500, joints=25, coordinates=coordinates, corrupted_joints=15, generator=theirs)
    found = draw_matrices(500, joints=25, coordinates=coordinates, augmentation=SpatialAugmentation(), generator=ours)
    assert torch.equal(found, expected)
    assert torch.equal(ours.get_state(), theirs.get_state())


def test_rotation_and_scale_are_drawn_after_all_else_and_come_first() -> None:
    """So the released part of the matrices is the same with them: M R s beside M."""
    before, after = drawn(300, joints=7), drawn(300, joints=7, **ROTATED, scale=0.2)
    untouched = (before == torch.eye(3)).all(dim=(2, 3))
    sheared = ~untouched.any(dim=1)
    placed = after[~sheared][torch.arange(int((~sheared).sum())), untouched[~sheared].int().argmax(dim=1)]
    expected = before[~sheared].double() @ placed[:, None].double()
    torch.testing.assert_close(after[~sheared].double(), expected, rtol=0, atol=1e-6)


def angles_of(matrices: Tensor) -> np.ndarray:
    """(N, 3) degrees about the fixed axes z, x and y in this order, as SciPy takes rotations apart."""
    return Rotation.from_matrix(matrices.double().numpy()).as_euler("zxy", degrees=True)


def test_rotations_are_scipys_about_z_and_then_about_x_and_y() -> None:
    matrices = drawn(**NEITHER, **ROTATED)[:, 0]
    angles = angles_of(matrices)
    assert np.abs(Rotation.from_euler("zxy", angles, degrees=True).as_matrix() - matrices.numpy()).max() < 1e-6
    generator = torch.Generator().manual_seed(0)
    for shape in ((2, 2000), (2000, 3, 3), (2000, 5)):
        torch.rand(shape, generator=generator)
    draws = torch.rand((3, 2000), generator=generator).double().numpy().T * 2 - 1
    assert np.abs(angles - draws * [30, 10, 10]).max() < 1e-4


def test_rotations_are_uniform_and_one_for_all_joints() -> None:
    matrices = drawn(4000, **NEITHER, **ROTATED)
    assert torch.equal(matrices, matrices[:, :1].expand_as(matrices))
    angles = angles_of(matrices[:, 0])
    for column, largest in enumerate((30, 10, 10)):
        quantiles = np.quantile(angles[:, column], [0, 0.25, 0.5, 0.75, 1])
        assert quantiles / largest == pytest.approx([-1, -0.5, 0, 0.5, 1], abs=0.05)
    assert np.abs(np.corrcoef(angles.T) - np.eye(3)).max() < 0.05


def test_the_turn_about_the_vertical_keeps_z() -> None:
    """A normalised store has the vertical on z."""
    matrices = drawn(**NEITHER, rotation_degrees=180)
    up = torch.tensor([0.0, 0.0, 1.0])
    assert torch.equal(matrices @ up, up.expand(2000, 5, 3))
    assert angles_of(matrices[:, 0])[:, 0].min() < -170


def test_poses_in_an_image_turn_in_its_plane() -> None:
    matrices = drawn(coordinates=2, **NEITHER, rotation_degrees=20)[:, 0].double()
    angles = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0])
    expected = torch.stack([angles.cos(), -angles.sin(), angles.sin(), angles.cos()], dim=1).view(-1, 2, 2)
    torch.testing.assert_close(matrices, expected, rtol=0, atol=1e-6)
    assert 19 < math.degrees(angles.abs().max()) <= 20


def test_scale_is_one_uniform_factor_for_all_joints_and_axes() -> None:
    matrices = drawn(4000, **NEITHER, scale=0.25)
    factors = matrices[:, 0, 0, 0]
    assert torch.equal(matrices, factors[:, None, None, None] * torch.eye(3).expand(4000, 5, 3, 3))
    assert factors.quantile(torch.linspace(0, 1, 5)).tolist() == pytest.approx([0.75, 0.875, 1, 1.125, 1.25], abs=0.02)


def test_shear_strength_bounds_what_is_off_the_diagonal() -> None:
    full, mild = (drawn(shear_probability=1, shear_strength=strength)[:, 0] for strength in (1.0, 0.25))
    off = ~torch.eye(3, dtype=torch.bool)
    assert torch.equal(mild.diagonal(dim1=1, dim2=2), torch.ones(2000, 3))
    assert torch.equal(mild[:, off], full[:, off] * 0.25)
    assert 0.24 < float(mild[:, off].abs().max()) <= 0.25
    random = drawn(shear_probability=0, shear_strength=0.0, corruption=Corruption.RANDOM)
    assert float(random.abs().max()) > 0.9, "the strength is the shear's alone"


@pytest.mark.parametrize(
    ("shear", "corruption", "expected"), [(0.5, 1.0, (0.5, 0.5)), (0.2, 0.25, (0.2, 0.2)), (0.0, 0.5, (0.0, 0.5))]
)
def test_probabilities_of_shear_and_of_corruption_where_there_is_none(
    shear: float, corruption: float, expected: tuple[float, float]
) -> None:
    matrices = drawn(4000, joints=10, shear_probability=shear, corruption_probability=corruption)
    touched = (matrices != torch.eye(3)).any(dim=(2, 3)).sum(dim=1)
    assert set(touched.tolist()) <= {0, 6, 10}
    found = [float((touched == joints).double().mean()) for joints in (10, 6)]
    assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("kind", "share"), [("either", 0.5), ("zeroed", 1.0), ("random", 0.0)])
def test_kinds_of_corruption(kind: str, share: float) -> None:
    matrices = drawn(joints=10, shear_probability=0, corruption=Corruption(kind), corrupted_joint_share=0.3)
    zeroed = (matrices == 0).all(dim=(2, 3)).sum(dim=1)
    assert set(zeroed.tolist()) <= {0, 3}
    assert float((zeroed == 3).double().mean()) == pytest.approx(share, abs=0.04)


def test_a_seed_gives_the_same_matrices_again_and_another_gives_others() -> None:
    milder: dict[str, Any] = {**ROTATED, "scale": 0.1, "shear_strength": 0.3, "corruption": Corruption.ZEROED}
    assert torch.equal(drawn(**milder), drawn(**milder))
    assert not torch.equal(drawn(**milder), drawn(**milder, seed=1))


def test_everything_off_is_the_identity() -> None:
    assert torch.equal(drawn(**NEITHER), torch.eye(3).expand(2000, 5, 3, 3))

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hico_platform.augment.frames import crop_and_resize, random_crop
from hico_platform.augment.spatial import SpatialAugmentation, draw_matrices
from hico_platform.augment.streams import to_stream
from hico_platform.build import build_views
from hico_platform.config.trial import TrialConfig
from hico_platform.data.layout import KINECT_V2
from hico_platform.enums import Stream
from hico_platform.errors import ConfigError
from hico_platform.ops.crop_resize import transform_joints
from tests.small import small_config, small_store


def augment(poses: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    matrices = draw_matrices(
        len(poses), joints=25, coordinates=3, augmentation=SpatialAugmentation(), generator=generator
    )
    return transform_joints(poses, matrices)


def close(left: torch.Tensor, right: torch.Tensor) -> None:
    assert left.shape == right.shape
    assert (left - right).abs().max() <= 1e-5 * right.abs().max()


def test_spatial_augmentation_is_corruption_or_shear_with_equal_probability() -> None:
    generator = torch.Generator().manual_seed(0)
    count = 4000
    poses = torch.randn(count, 2, 2, 25, 3, generator=generator)
    got = augment(poses, generator)
    untouched = (got == poses).all(dim=(1, 2, 4)).sum(dim=1)  # joints left as they were
    zeroed = (got == 0).all(dim=(1, 2, 4)).sum(dim=1)
    sheared = untouched == 0
    assert set(untouched.tolist()) == {0, 10}
    assert float(sheared.double().mean()) == pytest.approx(0.5, abs=0.03)
    corrupted = ~sheared
    assert set(zeroed[corrupted].tolist()) == {0, 15}
    assert float((zeroed[corrupted] == 15).double().mean()) == pytest.approx(0.5, abs=0.04)
    assert not zeroed[sheared].any()
    chosen = (got != poses).any(dim=(1, 2, 4))[corrupted].double().mean(dim=0)
    torch.testing.assert_close(chosen, torch.full((25,), 0.6).double(), rtol=0, atol=0.05)


def test_shear_and_corruption_put_one_matrix_on_all_frames_and_bodies() -> None:
    generator = torch.Generator().manual_seed(1)
    poses = torch.randn(64, 8, 2, 25, 3, generator=generator)
    got = augment(poses, generator)
    for before, after in zip(poses, got, strict=True):
        touched = (after != before).any(dim=(0, 1, 3))
        x, y = before[:, :, touched].reshape(-1, 3).double(), after[:, :, touched].reshape(-1, 3).double()
        matrix = torch.linalg.lstsq(x, y).solution.T
        torch.testing.assert_close(x @ matrix.T, y, rtol=0, atol=1e-4)
        if touched.all():
            torch.testing.assert_close(matrix.diagonal(), torch.ones(3).double(), rtol=0, atol=1e-4)
        assert matrix.abs().max() <= 1 + 1e-4


def test_tilting_poses_in_an_image_is_refused(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=2, coordinates=2)
    config = small_config(views__rotation_degrees=10.0).views
    view = build_views(config, store=store, device=torch.device("cpu")).random(
        torch.arange(2), generator=torch.Generator().manual_seed(0)
    )
    assert view.shape == (2, 16, 2, 25, 2)
    with pytest.raises(ConfigError, match=r"views.tilt_degrees: expected 0 for poses in an image.*, got 5.0; leave"):
        build_views(small_config(views__tilt_degrees=5.0).views, store=store, device=torch.device("cpu"))


def test_every_setting_of_the_matrices_reaches_the_views(tmp_path: Path) -> None:
    """Written here once more, each with another value than the released one."""
    store = small_store(tmp_path / "store", count=2)
    values: dict[str, Any] = {
        "shear_probability": 0.1, "shear_strength": 0.2, "corruption_probability": 0.3, "corruption": "random",
        "corrupted_joint_share": 0.4, "rotation_degrees": 50.0, "tilt_degrees": 6.0, "scale": 0.7,
    }  # fmt: skip
    config = small_config(**{f"views__{name}": value for name, value in values.items()})
    views = build_views(config.views, store=store, device=torch.device("cpu"))
    assert views.spatial == SpatialAugmentation(**values)
    released = build_views(TrialConfig().views, store=store, device=torch.device("cpu"))
    assert released.spatial == SpatialAugmentation()


def test_a_turned_and_scaled_view_is_the_plain_one_turned_and_scaled(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=8)
    off: dict[str, Any] = {"views__shear_probability": 0.0, "views__corruption_probability": 0.0}
    on: dict[str, Any] = {"views__rotation_degrees": 30.0, "views__tilt_degrees": 10.0, "views__scale": 0.1}

    def view(**values: Any) -> torch.Tensor:
        views = build_views(small_config(**off, **values).views, store=store, device=torch.device("cpu"))
        return views.random(torch.arange(8), generator=torch.Generator().manual_seed(5))

    for before, after in zip(view(), view(**on), strict=True):
        plain, placed = (each.reshape(-1, 3).double().numpy() for each in (before, after))
        scale = np.linalg.norm(placed) / np.linalg.norm(plain)
        rotation, _ = Rotation.align_vectors(placed / scale, plain)
        assert np.abs(rotation.apply(plain) * scale - placed).max() < 1e-5
        assert 0.9 <= scale <= 1.1
        angles = np.abs(rotation.as_euler("zxy", degrees=True))
        assert (angles <= [30.001, 10.001, 10.001]).all()
        assert angles.max() > 0.01


def test_crops_for_fine_tuning_are_random_and_nothing_but_crops(tmp_path: Path) -> None:
    from hico_platform.build import build_views

    store = small_store(tmp_path / "store", count=8)
    views = build_views(small_config(views__frames=33).views, store=store, device=torch.device("cpu"))
    found = views.cropped(torch.arange(8), min_ratio=0.5, generator=torch.Generator().manual_seed(1))
    start, length = random_crop(
        torch.tensor(store.num_frames), min_ratio=0.5, min_frames=8, generator=torch.Generator().manual_seed(1)
    )
    assert (length >= torch.tensor(store.num_frames) // 2).all()
    assert torch.equal(found, crop_and_resize(views.poses, start, length, frames=33))


@pytest.mark.parametrize("stream", Stream)
def test_joints_are_altered_before_the_stream_is_made_of_them(tmp_path: Path, stream: Stream) -> None:
    from hico_platform.build import build_views

    store = small_store(tmp_path / "store", count=4)
    config = small_config(views__frames=16).views
    joints = build_views(config, store=store, device=torch.device("cpu")).centre(torch.arange(4), share=0.9)
    seen = build_views(
        small_config(views__frames=16, views__stream=stream).views, store=store, device=torch.device("cpu")
    )
    found = seen.centre(torch.arange(4), share=0.9, alter=lambda poses: poses * 2 + 1)
    assert torch.equal(found, to_stream(joints * 2 + 1, stream, parents=torch.tensor(KINECT_V2.parents)))

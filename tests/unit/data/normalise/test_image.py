"""Normalisation of poses in an image, C = 2."""

from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.anatomy import rest_pose
from hico_platform.data.layout import Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.normalise.image import BY_SHOULDERS, BY_SPREAD

COCO = LAYOUTS["coco"]
of_each_layout = pytest.mark.parametrize("layout", [COCO, LAYOUTS["openpose-18"]])


def recorded(layout: Layout, *, pixels: float = 400.0, frames: int = 12) -> np.ndarray:
    """Someone who walks to the right through an image, waving a hand, (T, 1, J, 2) in pixels with y down."""
    standing = rest_pose(layout)[:, :2]
    pose = np.repeat(standing[None], frames, axis=0)
    pose[:, layout.joints.index("wrist_left"), 1] += 0.3 * np.sin(np.arange(frames))
    pose = pose * (pixels, -pixels) + (600.0, 900.0)
    pose[..., 0] += 5.0 * np.arange(frames)[:, None]
    return pose[:, None].astype(np.float32)


def image(pose: np.ndarray, layout: Layout) -> np.ndarray:
    return normalise(pose, layout, method=Normalisation.IMAGE).pose


@of_each_layout
def test_the_pose_is_centred_upright_and_as_large_as_a_person(layout: Layout) -> None:
    pose = image(recorded(layout), layout)
    assert pose.dtype == np.float32
    np.testing.assert_allclose(layout.centre_of(pose[:, 0]), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(layout.z_line(pose[:, 0]), axis=-1), 0.5, atol=1e-5)
    nose, ankle = layout.joints.index("nose"), layout.joints.index("ankle_left")
    assert 0.5 < pose[0, 0, nose, 1] < 0.8, "above the hips"
    assert -1.2 < pose[0, 0, ankle, 1] < -0.7, "below them"
    side = layout.joints.index("shoulder_left"), layout.joints.index("shoulder_right")
    raw = recorded(layout)
    across, across_px = (each[0, 0, side[0], 0] - each[0, 0, side[1], 0] for each in (pose, raw))
    assert np.sign(across) == np.sign(across_px), "not mirrored"


@of_each_layout
@pytest.mark.parametrize("pixels", [40.0, 1.0, 1e-2])
def test_resolution_distance_and_place_in_the_image_do_not_matter(layout: Layout, pixels: float) -> None:
    expected = image(recorded(layout), layout)
    moved = (recorded(layout) - (600, 900)) * (pixels / 400) + (3.0, -7.0)
    np.testing.assert_allclose(image(moved.astype(np.float32), layout), expected, atol=1e-3)


def test_a_trunk_that_is_foreshortened_for_a_while_does_not_change_the_scale() -> None:
    raw = recorded(COCO, frames=20)
    bent = raw.copy()
    shoulders = [COCO.joints.index(name) for name in ("shoulder_left", "shoulder_right")]
    bent[:12, 0, shoulders, 1] += 100
    np.testing.assert_allclose(image(bent, COCO)[15], image(raw, COCO)[15], atol=1e-5)


def test_without_a_trunk_the_shoulders_give_the_scale_and_without_them_all_joints() -> None:
    raw = recorded(COCO)
    raw[..., 11:, :] = np.nan  # behind a desk
    found = normalise(raw, COCO, method=Normalisation.IMAGE)
    assert found.remarks[BY_SHOULDERS] == 1
    across = found.pose[0, 0, 5] - found.pose[0, 0, 6]
    assert np.linalg.norm(across) == pytest.approx(0.35)
    raw[..., 6, :] = np.nan
    found = normalise(raw, COCO, method=Normalisation.IMAGE)
    assert found.remarks[BY_SPREAD] == 1
    assert 0.2 < np.abs(found.pose).max() < 1.5
    raw[..., 1:, :] = np.nan  # a nose alone, which has no size
    assert np.isfinite(image(raw, COCO)).all()


def test_a_missing_joint_is_zeros_and_two_people_keep_their_distance() -> None:
    aside = np.array([200.0, 0.0], np.float32)
    raw = np.concatenate([recorded(COCO), recorded(COCO) + aside], axis=1)
    raw[3:5, 0, 9] = np.nan
    pose = image(raw, COCO)
    assert pose.shape == (12, 2, 17, 2)
    assert not pose[3:5, :, 9].any(axis=-1)[:, 0].any() or not pose[3:5, :, 9].any(axis=-1)[:, 1].any()
    apart = np.abs(COCO.centre_of(pose[:, 0]) - COCO.centre_of(pose[:, 1]))
    trunk_px = np.linalg.norm(COCO.z_line(raw[0, 0]))
    np.testing.assert_allclose(apart[:, 0], 200 / trunk_px * 0.5, atol=1e-3)

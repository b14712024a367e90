from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hico_platform.data.anatomy import rest_pose
from hico_platform.data.body import Body, BodyMeasure, median_body
from hico_platform.data.layout import KINECT_V2, Layout

Pose = npt.NDArray[np.float64]


def person(frames: int = 12, *, height_m: float = 1.7) -> Pose:
    """A person who turns about the vertical, (T, 1, 25, 3)."""
    angles = np.linspace(0, 2, frames)
    turns = np.array([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]] for a in angles])
    pose: Pose = (rest_pose(KINECT_V2) * height_m / 1.7 @ turns + [0.0, 0.0, 3.0])[:, None]
    return pose


def measured(pose: Pose) -> Body:
    body = BodyMeasure(KINECT_V2).measure(pose)
    assert body is not None
    return body


def test_a_person_has_their_height_and_bones_that_keep_their_length() -> None:
    body = measured(person(height_m=1.2))
    assert body.height_m == pytest.approx(1.2)
    assert max(body.variation, body.asymmetry, body.misfit) < 1e-9
    assert np.isnan(body.flatness)


def test_bones_that_vary_by_a_tenth_do_so() -> None:
    pose = person(11) * np.linspace(0.8, 1.2, 11)[:, None, None, None]
    assert measured(pose).variation == pytest.approx(1.4826 * 0.12, rel=1e-6)  # median of |scale - 1|


def test_a_shorter_left_side_is_an_asymmetry() -> None:
    pose = person()
    left = [i for i, name in enumerate(KINECT_V2.joints) if name in ("knee_left", "ankle_left", "foot_left")]
    arms_and_legs = sum(
        float(np.linalg.norm(pose[0, 0, joint] - pose[0, 0, KINECT_V2.parents[joint]]))
        for joint, name in enumerate(KINECT_V2.joints)
        if name.endswith("_right")
    )
    pose[:, :, left, 1] -= 0.2  # one thigh
    assert measured(pose).asymmetry == pytest.approx(0.2 / (arms_and_legs + 0.1), rel=0.01)


def test_the_person_with_most_joints_is_measured_and_missing_joints_do_not_count() -> None:
    pose = np.concatenate([person(height_m=0.5), person(height_m=1.5)], axis=1)
    pose[3:, 0] = np.nan
    pose[::2, 1, 9:12] = np.nan
    pose[:, 1, 15] = np.nan
    assert measured(pose).height_m == pytest.approx(1.5)
    assert measured(pose[:1]).variation == 0


def test_a_pose_without_a_bone_has_no_body() -> None:
    pose = np.full((5, 1, 25, 3), np.nan)
    assert BodyMeasure(KINECT_V2).measure(pose) is None
    pose[:, 0, 1] = 1.0
    assert BodyMeasure(KINECT_V2).measure(pose) is None


def test_a_score_in_place_of_z_is_flat_and_a_person_near_the_floor_is_not() -> None:
    rng = np.random.default_rng(0)
    pose = person()
    lying = pose[..., [0, 2, 1]] * [1, 1, 0.5]
    lying[..., 2] += 0.05 * rng.random((12, 1, 1))
    assert measured(lying).flatness < 0.9
    pose[..., 2] = rng.uniform(0.7, 1.0, pose.shape[:-1])
    assert measured(pose).flatness > 0.95


def test_joints_of_unknown_names_have_the_longest_way_as_height_and_no_proportions() -> None:
    layout = Layout(name="y", joints=("a", "b", "c", "d"), parents=(0, 0, 1, 1), centre=0, z_axis=(0, 1), x_axis=(2, 3))
    pose = np.array([[0, 0, 0], [0, 1.0, 0], [0.5, 1, 0], [0, 1.75, 0]])[None, None]
    body = BodyMeasure(layout).measure(pose)
    assert body is not None
    assert body.height_m == 1.75
    assert np.isnan([body.asymmetry, body.misfit]).all()
    assert body.strangeness == 0


def test_medians_pass_over_what_is_not_known() -> None:
    assert np.isnan(median_body([]).height_m)
    known = measured(person(height_m=1.0))
    middle = median_body([known, known, measured(person(height_m=1.5))])
    assert middle.height_m == pytest.approx(1.0)
    assert np.isnan(middle.flatness)

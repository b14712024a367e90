from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V1, KINECT_V2
from hico_platform.data.normalise import normalise
from hico_platform.data.normalise.released import close_gaps, most_moving, rotation_onto
from hico_platform.data.sequence import nan_where_zero


def walk(frames: int, bodies: int = 1, seed: int = 0, joints: int = 25) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start = rng.uniform(-1, 1, (1, bodies, joints, 3))
    return (start + 0.05 * rng.standard_normal((frames, bodies, joints, 3)).cumsum(0)).astype(np.float32)


def test_the_golden_pose_is_reproduced(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "preprocess.npz")
    raw = golden["raw"].transpose(0, 2, 4, 3, 1)  # (N, T, M, J, C)
    wanted = golden["prenormalized"].transpose(0, 2, 4, 3, 1)
    for pose, expected in zip(raw, wanted, strict=True):
        valid = normalise(nan_where_zero(pose), KINECT_V2).pose
        bodies = valid.shape[1]
        np.testing.assert_allclose(valid, expected[: len(valid), :bodies], rtol=1e-5, atol=1e-5)
        padded = normalise(nan_where_zero(pose), KINECT_V2, num_frames=len(expected)).pose
        np.testing.assert_allclose(padded, expected[:, :bodies], rtol=1e-5, atol=1e-5)
        assert not expected[:, bodies:].any()


def test_body_one_stands_on_the_axes() -> None:
    pose = normalise(nan_where_zero(walk(20, bodies=2)), KINECT_V2).pose
    spine, shoulders = pose[0, 0, 1] - pose[0, 0, 0], pose[0, 0, 8] - pose[0, 0, 4]
    assert np.abs(pose[:, 0, 1]).max() == 0
    assert np.abs(shoulders[1:]).max() < 1e-6 < shoulders[0]
    assert np.linalg.norm(spine) > 0


def test_a_layout_of_20_joints_is_normalised_by_its_own_axes() -> None:
    pose = normalise(nan_where_zero(walk(20, joints=20)), KINECT_V1).pose
    assert pose.shape == (20, 1, 20, 3)
    assert np.abs((pose[0, 0, 8] - pose[0, 0, 4])[1:]).max() < 1e-6


def test_a_layout_may_be_centred_on_a_midpoint() -> None:
    layout = replace(KINECT_V2, centre=(12, 16), z_axis=((12, 16), (4, 8)))
    raw = walk(20)
    pose = normalise(nan_where_zero(raw), layout).pose
    assert np.abs(pose[:, 0, [12, 16]].mean(axis=1)).max() < 1e-6
    assert np.abs((pose[0, 0, 8] - pose[0, 0, 4])[1:]).max() < 1e-6


def test_the_two_most_moving_of_the_first_four_are_kept_in_order() -> None:
    pose = walk(30, bodies=5)
    scale = np.array([0.1, 3, 0.2, 2, 9], np.float32)
    pose = pose * scale[:, None, None]
    assert most_moving(pose) == [1, 3]
    first, second = normalise(nan_where_zero(pose), KINECT_V2).pose.swapaxes(0, 1)
    assert first.std() > 0
    assert np.linalg.norm(second[0, 0] - second[0, 4]) == pytest.approx(
        np.linalg.norm(pose[0, 3, 0] - pose[0, 3, 4]), rel=1e-4
    )


def test_a_body_that_comes_late_is_shifted_and_repeated() -> None:
    pose = walk(10, bodies=2)
    pose[:6, 0] = 0
    pose[:, 0] *= 0.01  # body 1 moves more, so it comes first
    out = normalise(nan_where_zero(pose), KINECT_V2).pose
    assert out.shape == (10, 2, 25, 3)
    late = close_gaps(nan_where_zero(pose[:, 0]))
    assert len(late) == 4
    distance = np.linalg.norm(out[:, 1, 3] - out[:, 1, 0], axis=-1)
    np.testing.assert_allclose(distance[4:8], distance[:4], rtol=1e-5)


def test_gaps_stay_in_a_body_that_is_there_from_the_start_and_go_from_one_that_is_not() -> None:
    body = walk(10)[:, 0]
    body[4] = 0
    body[8:] = 0
    assert len(close_gaps(nan_where_zero(body))) == 8
    body[0] = 0
    assert len(close_gaps(nan_where_zero(body))) == 6
    assert len(close_gaps(nan_where_zero(body * 0))) == 0


def test_a_missing_joint_stays_zero() -> None:
    pose = walk(10)
    pose[3, 0, 7] = 0
    out = normalise(nan_where_zero(pose), KINECT_V2).pose
    assert not out[3, 0, 7].any()
    assert out[3, 0, 6].any()


def test_no_body_at_all_gives_no_frames() -> None:
    assert normalise(nan_where_zero(np.zeros((5, 2, 25, 3), np.float32)), KINECT_V2).pose.shape == (0, 0, 25, 3)
    assert normalise(nan_where_zero(np.zeros((5, 0, 25, 3), np.float32)), KINECT_V2).pose.shape == (0, 0, 25, 3)


def test_the_input_is_left_as_it_was() -> None:
    pose = walk(10, bodies=2)
    before = pose.copy()
    normalise(nan_where_zero(pose), KINECT_V2)
    np.testing.assert_array_equal(pose, before)


def test_rotation_turns_onto_the_target_and_is_a_rotation() -> None:
    source = np.array([0.3, -2.0, 0.7])
    rotation = rotation_onto(source, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(rotation @ source, np.array([0.0, 0.0, np.linalg.norm(source)]), atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    for height in (0, 2, -2):
        np.testing.assert_array_equal(rotation_onto(np.array([0.0, 0.0, height]), np.array([0.0, 0.0, 1.0])), np.eye(3))


def test_a_joint_at_the_origin_is_a_joint_unless_it_is_nan() -> None:
    """Recordings centred on their root, as of SMPL or MediaPipe, have a joint at zero in every frame."""
    pose = walk(10)
    pose -= pose[:, :, :1]
    assert not pose[:, 0, 0].any()
    moved = normalise(pose + np.array([0.5, -1, 3], np.float32), KINECT_V2).pose
    np.testing.assert_allclose(normalise(pose, KINECT_V2).pose, moved, atol=1e-5)
    lost = pose.copy()
    lost[:, :, 0] = np.nan
    assert not normalise(lost, KINECT_V2).pose[:, 0, 0].any()

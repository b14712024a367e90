from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.readers.padded import recorded_frames, shown_bodies
from tests.unit.data.readers.archives import poses


def motion(frames: int, *, bodies: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, bodies, 4, 3)).astype(np.float32)


def repeated(body: np.ndarray, frames: int) -> np.ndarray:
    """(T, 1, J, C) again and again up to ``frames``."""
    return np.concatenate([body] * (-(-frames // len(body))))[:frames]


@pytest.mark.parametrize("frames", [1, 7, 50, 99, 100])
def test_the_period_is_what_was_recorded(frames: int) -> None:
    assert recorded_frames(repeated(motion(frames), 100)) == frames


def test_a_pose_that_comes_again_within_a_recording_is_no_period() -> None:
    body = motion(20)
    body[7] = body[0]
    assert recorded_frames(repeated(body, 100)) == 20
    assert recorded_frames(body) == 20


def test_each_body_has_a_period_of_its_own() -> None:
    both = np.concatenate([repeated(motion(6), 100), repeated(motion(14, seed=1), 100)], axis=1)
    assert recorded_frames(both) == 14


def test_a_missing_joint_does_not_hide_the_period() -> None:
    body = motion(6)
    body[2, 0, 1] = np.nan
    assert recorded_frames(repeated(body, 100)) == 6


def test_nothing_was_recorded() -> None:
    assert recorded_frames(np.zeros((100, 0, 4, 3), np.float32)) == 0


@pytest.mark.parametrize("missing", [0.0, np.nan])
def test_empty_bodies_and_empty_frames_at_the_end_are_left_out(missing: float) -> None:
    pose = np.full((10, 3, 4, 3), missing, np.float32)
    pose[2:4, 0] = motion(2)[:, 0]
    pose[6, 2, 1] = 1.0
    kept = shown_bodies(pose)
    np.testing.assert_array_equal(kept, pose[:7, [0, 2]])


def test_a_recording_without_a_body_is_empty() -> None:
    assert shown_bodies(np.zeros((10, 2, 4, 3), np.float32)).shape[:2] == (0, 0)


def test_a_recording_that_never_repeats_is_kept_whole() -> None:
    (pose,) = poses(1)
    assert recorded_frames(pose) == 5
    assert recorded_frames(np.concatenate([pose, pose[:3]])) == 5
    assert recorded_frames(np.concatenate([pose, pose[:1], pose[2:]])) == 9
    assert len(shown_bodies(pose * 0)) == 0

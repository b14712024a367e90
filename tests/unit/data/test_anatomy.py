from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.anatomy import joint_key, opposite, rest_pose
from hico_platform.data.layouts import LAYOUTS


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("shoulder_left", "LeftShoulder", "l_shoulder", "left-shoulder", "LShoulder"), "shoulder_left"),
        (("hand_tip_right", "HandTipRight", "right_handtip"), "hand_tip_right"),
        (("spine_base", "hip_centre", "HipCenter", "MidHip", "pelvis", "hip"), "pelvis"),
        (("hip_left", "LHip", "left_hip"), "hip_left"),
        (("spine_shoulder", "ShoulderCenter", "thorax"), "shoulder_centre"),
        (("head", "Head"), "head"),
        (("marker7",), "marker7"),
    ],
)  # fmt: skip
def test_spellings_of_a_joint_have_one_key(names: tuple[str, ...], key: str) -> None:
    assert {joint_key(name) for name in names} == {key}


def test_the_opposite_joint() -> None:
    assert (opposite("knee_left"), opposite("knee_right"), opposite("head")) == ("knee_right", "knee_left", None)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_built_in_layout_has_a_rest_pose(name: str) -> None:
    layout = LAYOUTS[name]
    pose = rest_pose(layout)
    assert np.isfinite(pose).all(), [joint for joint, at in zip(layout.joints, pose, strict=True) if np.isnan(at[0])]
    assert 1.3 < np.ptp(pose[:, 1]) <= 1.7
    assert len(np.unique(pose, axis=0)) == len(pose)
    up, across = layout.z_line(pose), layout.x_line(pose)
    assert up[1] > 0.95 * np.linalg.norm(up)
    assert across[0] == pytest.approx(np.linalg.norm(across))


def test_an_unknown_joint_has_no_place() -> None:
    from dataclasses import replace

    layout = replace(LAYOUTS["kinect-v1"], joints=tuple(f"m{i}" for i in range(20)))
    assert np.isnan(rest_pose(layout)).all()

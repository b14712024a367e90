from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.anatomy import body_parts, joint_key, opposite, rest_pose
from hico_platform.data.layout import Layout
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


def parts_of(layout: Layout) -> dict[str, set[str]]:
    return {part: {layout.joints[joint] for joint in joints} for part, joints in body_parts(layout).items()}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_built_in_layout_has_five_parts_that_share_no_joint(name: str) -> None:
    parts = body_parts(LAYOUTS[name])
    assert list(parts) == ["trunk", "arm_left", "arm_right", "leg_left", "leg_right"]
    assert sorted(joint for joints in parts.values() for joint in joints) == list(range(len(LAYOUTS[name].joints)))
    assert len(parts["arm_left"]) == len(parts["arm_right"]) >= 2
    assert len(parts["leg_left"]) == len(parts["leg_right"]) >= 2


def test_the_parts_of_a_kinect_are_those_of_the_literature() -> None:
    assert {part: {joint + 1 for joint in joints} for part, joints in body_parts(LAYOUTS["kinect-v2"]).items()} == {
        "trunk": {1, 2, 3, 4, 21},
        "arm_left": {5, 6, 7, 8, 22, 23},
        "arm_right": {9, 10, 11, 12, 24, 25},
        "leg_left": {13, 14, 15, 16},
        "leg_right": {17, 18, 19, 20},
    }


def test_a_joint_of_an_unknown_name_belongs_with_its_parent() -> None:
    names = ("Hips", "LeftUpLeg", "LeftLeg", "marker", "Spine", "LeftArm", "LeftHand", "LeftHandMiddle1", "Nub")
    layout = Layout(
        name="bvh", joints=names, parents=(0, 0, 1, 2, 0, 4, 5, 6, 7), centre=0, z_axis=(0, 4), x_axis=(1, 5)
    )
    assert parts_of(layout) == {
        "trunk": {"Hips", "Spine"},
        "arm_left": {"LeftArm", "LeftHand", "LeftHandMiddle1", "Nub"},
        "leg_left": {"LeftUpLeg", "LeftLeg", "marker"},
    }

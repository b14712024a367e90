"""BVH files, compared with positions worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.bvh_file import Joint, bvh_layout, pose_of, read_bvh
from hico_platform.errors import DataError

ARMS = """HIERARCHY
ROOT Hips
{
    OFFSET 0 90 0
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
    JOINT Neck
    {
        OFFSET 0 50 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        JOINT LeftArm
        {
            OFFSET 20 0 0
            CHANNELS 3 Zrotation Xrotation Yrotation
            End Site
            {
                OFFSET 30 0 0
            }
        }
        JOINT mixamorig:RightArm
        {
            OFFSET -20 0 0
            End Site
            {
                OFFSET -30 0 0
            }
        }
    }
}
MOTION
Frames: 3
Frame Time: 0.0333333
1 100 2 0 0 0 0 0 0 0 0 0
0 100 0 90 0 0 0 0 0 0 0 0
0 100 0 0 0 90 0 0 0 90 0 0
"""
NAMES = ["Hips", "Neck", "LeftArm", "LeftArm_end", "mixamorig:RightArm", "mixamorig:RightArm_end"]


def written(folder: Path, text: str = ARMS) -> Path:
    (folder / "a.bvh").write_text(text)
    return folder / "a.bvh"


def test_positions(tmp_path: Path) -> None:
    bvh = read_bvh(written(tmp_path))
    assert [joint.name for joint in bvh.joints] == NAMES
    still, turned, twice = bvh.positions()
    np.testing.assert_allclose(
        still, [[1, 100, 2], [1, 150, 2], [21, 150, 2], [51, 150, 2], [-19, 150, 2], [-49, 150, 2]]
    )
    left, right = [[-50, 120, 0], [-50, 150, 0]], [[-50, 80, 0], [-50, 50, 0]]
    np.testing.assert_allclose(turned, [[0, 100, 0], [-50, 100, 0], *left, *right], atol=1e-12)
    # Turned about y the left arm, along x, points along -z; raised about z before that, it points up.
    np.testing.assert_allclose(twice[[1, 2, 3]], [[0, 150, 0], [0, 150, -20], [0, 180, -20]], atol=1e-12)


def test_the_order_of_channels_is_that_of_the_rotations(tmp_path: Path) -> None:
    text = ARMS.replace("Frames: 3", "Frames: 1").split("1 100 2")[0]
    row = "0 0 0 0 90 90 0 0 0 0 0 0\n"
    up = read_bvh(written(tmp_path, text + row)).positions()[0, 1]
    np.testing.assert_allclose(up, [0, 0, 50], atol=1e-12)  # Rx(90) Ry(90) of y is z
    swapped = text.replace("Zrotation Xrotation Yrotation", "Zrotation Yrotation Xrotation", 1)
    up = read_bvh(written(tmp_path, swapped + row)).positions()[0, 1]
    np.testing.assert_allclose(up, [50, 0, 0], atol=1e-12)  # Ry(90) Rx(90) of y is x


def test_positions_of_a_joint_take_the_place_of_its_offset(tmp_path: Path) -> None:
    text = ARMS.replace("CHANNELS 3 Zrotation", "CHANNELS 6 Xposition Yposition Zposition Zrotation", 1)
    text = text.split("1 100 2")[0].replace("Frames: 3", "Frames: 1")
    neck = read_bvh(written(tmp_path, text + "0 0 0 0 0 0  5 60 7 0 0 0  0 0 0\n")).positions()[0, 1]
    np.testing.assert_allclose(neck, [5, 60, 7])


def test_the_layout_is_that_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path)
    layout = bvh_layout(read_bvh(file).joints, file)
    assert (layout.joints, layout.parents) == (tuple(NAMES), (0, 0, 1, 2, 1, 4))
    assert (layout.centre, layout.z_axis, layout.x_axis) == (0, (0, 1), (2, 4))
    with pytest.raises(DataError, match="a skeleton with a neck, head or spine and with joints of a left and a right"):
        bvh_layout(read_bvh(written(tmp_path, ARMS.replace("LeftArm", "Tail"))).joints, file)


def test_joints_that_lie_on_their_parent_are_no_part_of_the_layout(tmp_path: Path) -> None:
    file = written(tmp_path, ARMS.replace("OFFSET 20 0 0", "OFFSET 0 0 0").replace("JOINT LeftArm", "JOINT LeftCollar"))
    bvh = read_bvh(written(tmp_path, file.read_text().replace("RightArm", "RightHand")))
    assert [joint.name for joint in bvh.joints][2:4] == ["LeftCollar", "LeftCollar_end"]
    layout = bvh_layout([*bvh.joints, Joint(name="LeftHand", parent=2, offset=(1, 0, 0))], file)
    assert layout.joints == (
        "Hips",
        "Neck",
        "LeftCollar_end",
        "mixamorig:RightHand",
        "mixamorig:RightHand_end",
        "LeftHand",
    )
    assert (layout.parents, layout.x_axis) == ((0, 0, 1, 1, 3, 1), (5, 3))


def test_joints_by_name(tmp_path: Path) -> None:
    file = written(tmp_path)
    bvh = read_bvh(file)
    found = pose_of(bvh, ["arm_right", "hip_centre", "Neck"], file)
    np.testing.assert_array_equal(found, bvh.positions()[:, [4, 0, 1]])
    with pytest.raises(DataError, match=r"all joints of the layout, got \['knee_left'\]; leave out --layout"):
        pose_of(bvh, ["Hips", "knee_left"], file)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HEADER", "a.bvh:1: expected the word HIERARCHY, got 'HEADER'; export it as BVH again"),
        ("ROOT", "JOINT", "a.bvh:2: expected one of ROOT, JOINT, End and }, got 'JOINT'"),
        ("OFFSET 0 50 0", "OFFSET 0 x 0", "a.bvh:8: expected a number within 1e.09, got 'x'"),
        ("OFFSET 0 50 0", "OFFSET 0 nan 0", "a.bvh:8: expected a number within 1e.09, got 'nan'"),
        ("CHANNELS 6", "CHANNELS 7", "a.bvh:5: expected a number of channels, 0 to 6, got '7'"),
        ("Xposition", "Xscale", "a.bvh:5: expected a channel such as Xrotation, once, got 'Xscale'"),
        ("Yposition", "xposition", "a.bvh:5: expected a channel such as Xrotation, once, got 'xposition'"),
        ("mixamorig:RightArm", "LeftArm", "a.bvh:19: expected a name that no other joint has, got 'LeftArm'"),
        ("MOTION", "MOVES", "a.bvh:29: expected one skeleton, and MOTION after it, got 'MOVES'"),
        (
            "Frames: 3",
            "Frames: x",
            "a.bvh:29: expected the lines MOTION, Frames: and Frame Time:, got 'MOTION Frames: x'",
        ),
        ("Frames: 3", "Frames: 0", "a.bvh:30: expected a number of frames, 1 to 100000, got 0"),
        ("Frames: 3", "Frames: 100001", "a.bvh:30: expected a number of frames, 1 to 100000, got 100001"),
        ("Frames: 3", "Frames: 4", "expected a frame time and 4 frames of 12 channels, 49 numbers, got 37"),
        ("1 100 2", "1 1oo 2", "a.bvh:32: expected a channel that is a number within 1e.09, got '1oo'"),
        ("1 100 2", "1 inf 2", "a.bvh:32: expected a channel that is a number within 1e.09, got 'inf'"),
        ("1 100 2", "1 1e308 2", "a.bvh:32: expected a channel that is a number within 1e.09, got '1e308'"),
        (ARMS, "HIERARCHY\nROOT a\n{", "a.bvh:3: expected the word OFFSET, got 'the end of the hierarchy'"),
        (ARMS, "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n}", "a.bvh: expected a part MOTION after the hierarchy"),
        (ARMS, "", "a.bvh:1: expected the word HIERARCHY, got 'the end of the hierarchy'"),
        (ARMS, "HIERARCHY ROOT a { OFFSET 0 0 0 " + "End Site { OFFSET 0 0 0 } " * 600, "at most 512 joints"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_bvh(written(tmp_path, ARMS.replace(old, new, 1)))

from __future__ import annotations

import pytest

from hico_platform.data.anatomy import joint_key, opposite
from hico_platform.data.layouts import BUILT_IN, LAYOUTS

NUM_JOINTS = {
    "kinect-v2": 25, "kinect-v1": 20, "azure-kinect": 32, "msr-action3d": 20, "sbu": 15, "coco": 17, "openpose-18": 18,
    "openpose-25": 25, "mediapipe": 33, "h36m": 17, "smpl-22": 22, "smpl-24": 24, "common-15": 15,
}  # fmt: skip

# Bones as their sources write them, pairs of a joint and its parent.
PYSKL_COCO = [
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5), (10, 8), (8, 6), (5, 0), (6, 0),
    (1, 0), (3, 1), (2, 0), (4, 2),
]  # fmt: skip
PYSKL_OPENPOSE = [
    (4, 3), (3, 2), (7, 6), (6, 5), (13, 12), (12, 11), (10, 9), (9, 8), (11, 5), (8, 2), (5, 1), (2, 1), (0, 1),
    (15, 0), (14, 0), (17, 15), (16, 14),
]  # fmt: skip
CTRGCN_UCLA = [
    (1, 2), (2, 3), (4, 3), (5, 3), (6, 5), (7, 6), (8, 7), (9, 3), (10, 9), (11, 10), (12, 11), (13, 1), (14, 13),
    (15, 14), (16, 15), (17, 1), (18, 17), (19, 18), (20, 19),
]  # fmt: skip
MSR_PAIRS = [
    (20, 3), (1, 3), (2, 3), (1, 8), (8, 10), (10, 12), (2, 9), (9, 11), (11, 13), (3, 4), (4, 7), (7, 5), (7, 6),
    (5, 14), (6, 15), (14, 16), (15, 17), (16, 18), (17, 19),
]  # fmt: skip


def bones(name: str) -> set[frozenset[int]]:
    parents = LAYOUTS[name].parents
    return {frozenset((joint, parent)) for joint, parent in enumerate(parents) if joint != parent}


@pytest.mark.parametrize(
    ("name", "pairs", "first"),
    [
        ("coco", PYSKL_COCO, 0),
        ("openpose-18", PYSKL_OPENPOSE, 0),
        ("kinect-v1", CTRGCN_UCLA, 1),
        ("msr-action3d", MSR_PAIRS, 1),
    ],
)
def test_bones_are_those_of_the_source(name: str, pairs: list[tuple[int, int]], first: int) -> None:
    assert bones(name) == {frozenset((a - first, b - first)) for a, b in pairs}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_built_in_layout_is_a_tree_of_joints_on_two_sides(name: str) -> None:
    layout = LAYOUTS[name]
    keys = [*map(joint_key, layout.joints)]
    assert len(keys) == len(set(keys)) == NUM_JOINTS[name]
    assert sum(parent == joint for joint, parent in enumerate(layout.parents)) == 1
    for key, parent in zip(keys, layout.parents, strict=True):
        other = opposite(key)
        if other is not None:
            mirrored = layout.parents[keys.index(other)]
            assert keys[mirrored] == (opposite(keys[parent]) or keys[parent])
    assert keys[layout.joints.index("shoulder_left")] == "shoulder_left"
    assert BUILT_IN[name].source


def test_every_layout_is_counted() -> None:
    assert set(LAYOUTS) == set(NUM_JOINTS)


def test_joints_are_at_their_places() -> None:
    assert LAYOUTS["openpose-25"].joints[8] == "mid_hip"
    assert LAYOUTS["openpose-25"].joints[19:22] == ("big_toe_left", "small_toe_left", "heel_left")
    assert LAYOUTS["azure-kinect"].joints[26:28] == ("head", "nose")
    assert LAYOUTS["mediapipe"].joints[11:13] == ("shoulder_left", "shoulder_right")
    assert LAYOUTS["mediapipe"].joints[31] == "foot_index_left"
    assert LAYOUTS["h36m"].joints[1] == "hip_right"
    assert LAYOUTS["h36m"].joints[11] == "shoulder_left"
    assert LAYOUTS["smpl-24"].joints[16:18] == ("shoulder_left", "shoulder_right")

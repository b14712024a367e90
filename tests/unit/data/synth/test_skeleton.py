from __future__ import annotations

import numpy as np

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.synth.skeleton import (
    FREEDOM_INDEX,
    FREEDOMS,
    HIGHEST_RAD,
    LOWEST_RAD,
    MOTION_PARENTS,
    BodySize,
    bone_offsets,
    joint_positions,
)

JOINT = {name: index for index, name in enumerate(KINECT_V2.joints)}
OFFSETS = bone_offsets(BodySize(stature_m=1.75))


def posed(**angles_deg: float) -> np.ndarray:
    angles = np.zeros((1, len(FREEDOMS)))
    for name, angle_deg in angles_deg.items():
        angles[0, FREEDOM_INDEX[name]] = np.radians(angle_deg)
    return joint_positions(angles, OFFSETS)[0]


def test_every_joint_hangs_in_the_tree() -> None:
    assert sorted([0, *MOTION_PARENTS]) == list(range(25))


def test_bones_keep_their_length_whatever_the_angles() -> None:
    generator = np.random.default_rng(0)
    angles = generator.uniform(LOWEST_RAD, HIGHEST_RAD, (200, len(FREEDOMS)))
    joints = joint_positions(angles, OFFSETS)
    for child, parent in MOTION_PARENTS.items():
        lengths = np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
        np.testing.assert_allclose(lengths, np.linalg.norm(OFFSETS[child]), rtol=1e-12)


def test_at_rest_a_person_stands_upright_on_the_floor() -> None:
    joints = posed()
    assert 1.55 < joints[JOINT["head"], 1] < 1.75
    assert joints[:, 1].min() == 0
    assert joints[JOINT["shoulder_left"], 0] > 0 > joints[JOINT["shoulder_right"], 0]
    assert joints[JOINT["foot_left"], 2] > joints[JOINT["ankle_left"], 2]
    assert joints[JOINT["wrist_left"], 1] < joints[JOINT["elbow_left"], 1] < joints[JOINT["shoulder_left"], 1]


def test_positive_angles_mean_the_same_left_and_right() -> None:
    for side, outward in (("left", 1), ("right", -1)):
        assert posed(**{f"shoulder_flex_{side}": 90})[JOINT[f"wrist_{side}"], 2] > 0.5
        assert posed(**{f"shoulder_abduct_{side}": 90})[JOINT[f"wrist_{side}"], 0] * outward > 0.6
        assert posed(**{f"elbow_flex_{side}": 90})[JOINT[f"wrist_{side}"], 2] > 0.2
        assert posed(**{f"hip_flex_{side}": 60})[JOINT[f"ankle_{side}"], 2] > 0.3
        assert posed(**{f"knee_flex_{side}": 60})[JOINT[f"ankle_{side}"], 2] < -0.2
    assert posed(spine_bend=40)[JOINT["head"], 2] > 0.2
    assert posed(spine_side=20)[JOINT["head"], 0] > 0.1

"""A body of NTU's 25 joints that moves by joint angles: forward kinematics, all frames at once.

Body frame, right-handed, metres: x to the person's left, y up, z forward. At zero angles the person
is upright with hanging arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Kinematic tree, parents before children; unlike the layout's bones, its root is the pelvis.
MOTION_PARENTS = {
    1: 0, 20: 1, 2: 20, 3: 2,
    4: 20, 5: 4, 6: 5, 7: 6, 21: 7, 22: 6,
    8: 20, 9: 8, 10: 9, 11: 10, 23: 11, 24: 10,
    12: 0, 13: 12, 14: 13, 15: 14,
    16: 0, 17: 16, 18: 17, 19: 18,
}  # fmt: skip
NUM_JOINTS = 25
FEET = (14, 15, 18, 19)


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """One degree of freedom: the joint, the axis of rotation in the body frame, and its sign.

    The signs give an angle the same meaning left and right: a positive one lifts a limb forward or outward, bends an
    elbow or knee, and leans the trunk forward or to the left.
    """

    name: str
    joint: int
    axis: int
    sign: float
    low_deg: float
    high_deg: float


def _arm(side: str, joints: tuple[int, int, int], outward: float) -> tuple[Freedom, ...]:
    shoulder, elbow, wrist = joints
    rows: tuple[tuple[str, int, int, float, float, float], ...] = (
        ("shoulder_flex", shoulder, 0, -1.0, -60, 175),
        ("shoulder_abduct", shoulder, 2, outward, -25, 160),
        ("shoulder_twist", shoulder, 1, outward, -90, 90),
        ("elbow_flex", elbow, 0, -1.0, 0, 150),
        ("elbow_twist", elbow, 1, outward, -85, 85),
        ("wrist_flex", wrist, 0, -1.0, -70, 75),
        ("wrist_deviate", wrist, 2, outward, -30, 30),
    )
    return tuple(_freedom(f"{row[0]}_{side}", *row[1:]) for row in rows)


def _leg(side: str, joints: tuple[int, int, int], outward: float) -> tuple[Freedom, ...]:
    hip, knee, ankle = joints
    rows: tuple[tuple[str, int, int, float, float, float], ...] = (
        ("hip_flex", hip, 0, -1.0, -30, 120),
        ("hip_abduct", hip, 2, outward, -15, 60),
        ("hip_twist", hip, 1, outward, -40, 40),
        ("knee_flex", knee, 0, 1.0, 0, 140),
        ("ankle_flex", ankle, 0, -1.0, -45, 30),
    )
    return tuple(_freedom(f"{row[0]}_{side}", *row[1:]) for row in rows)


def _trunk(name: str, joint: int, *, back_deg: float, front_deg: float) -> tuple[Freedom, ...]:
    return (
        _freedom(f"{name}_bend", joint, 0, 1.0, -back_deg, front_deg),
        _freedom(f"{name}_side", joint, 2, -1.0, -30, 30),
        _freedom(f"{name}_twist", joint, 1, 1.0, -50, 50),
    )


def _freedom(name: str, joint: int, axis: int, sign: float, low_deg: float, high_deg: float) -> Freedom:
    return Freedom(name=name, joint=joint, axis=axis, sign=sign, low_deg=low_deg, high_deg=high_deg)


FREEDOMS: tuple[Freedom, ...] = (
    *_trunk("pelvis", 0, back_deg=15, front_deg=75),
    *_trunk("spine", 1, back_deg=20, front_deg=45),
    *_trunk("chest", 20, back_deg=15, front_deg=40),
    *_trunk("neck", 2, back_deg=30, front_deg=45),
    *_arm("left", (4, 5, 6), 1.0),
    *_arm("right", (8, 9, 10), -1.0),
    *_leg("left", (12, 13, 14), 1.0),
    *_leg("right", (16, 17, 18), -1.0),
)
FREEDOM_INDEX: dict[str, int] = {freedom.name: index for index, freedom in enumerate(FREEDOMS)}
LOWEST_RAD: Array = np.radians([freedom.low_deg for freedom in FREEDOMS])
HIGHEST_RAD: Array = np.radians([freedom.high_deg for freedom in FREEDOMS])


@dataclass(frozen=True, kw_only=True)
class BodySize:
    """Stature in metres and the proportions that differ between people, 1 being average."""

    stature_m: float
    arm: float = 1.0
    leg: float = 1.0
    shoulder_width: float = 1.0
    hip_width: float = 1.0


def bone_offsets(size: BodySize) -> Array:
    """Vector from each joint's parent to the joint at zero angles, (J, 3), metres.

    Fractions of stature after Drillis and Contini's table of body segment lengths.
    """
    shoulder, hip = 0.115 * size.shoulder_width, 0.05 * size.hip_width
    offsets = np.zeros((NUM_JOINTS, 3))
    offsets[1], offsets[20] = (0, 0.16, 0), (0, 0.14, 0)
    offsets[2], offsets[3] = (0, 0.045, 0), (0, 0.105, 0.015)
    for outward, arm, leg in (
        (1.0, (4, 5, 6, 7, 21, 22), (12, 13, 14, 15)),
        (-1.0, (8, 9, 10, 11, 23, 24), (16, 17, 18, 19)),
    ):
        offsets[arm[0]] = (outward * shoulder, -0.02, 0)
        offsets[arm[1]] = (0, -0.172 * size.arm, 0)
        offsets[arm[2]] = (0, -0.15 * size.arm, 0)
        offsets[arm[3]] = (0, -0.045 * size.arm, 0)
        offsets[arm[4]] = (0, -0.05 * size.arm, 0)
        offsets[arm[5]] = (0, -0.04 * size.arm, 0.025)
        offsets[leg[0]] = (outward * hip, -0.02, 0)
        offsets[leg[1]] = (0, -0.235 * size.leg, 0)
        offsets[leg[2]] = (0, -0.235 * size.leg, 0)
        offsets[leg[3]] = (0, -0.035, 0.075)
    return offsets * size.stature_m


def joint_positions(angles: Array, offsets: Array) -> Array:
    """Joints (T, J, 3) in metres from angles (T, len(FREEDOMS)) in radians, standing on the floor y = 0.

    The pelvis is above the origin; the lower foot touches the floor in every frame.
    """
    num_frames = len(angles)
    local: dict[int, Array] = {}
    for index, freedom in enumerate(FREEDOMS):
        turn = _rotation(freedom.axis, freedom.sign * angles[:, index])
        local[freedom.joint] = local[freedom.joint] @ turn if freedom.joint in local else turn
    turned = {0: local[0]}  # (T, 3, 3) each: the orientation of a joint's children
    positions = np.zeros((num_frames, NUM_JOINTS, 3))
    for joint, parent in MOTION_PARENTS.items():
        positions[:, joint] = positions[:, parent] + turned[parent] @ offsets[joint]
        turned[joint] = turned[parent] @ local[joint] if joint in local else turned[parent]
    positions[..., 1] -= positions[:, FEET, 1].min(axis=1, keepdims=True)
    return positions


def _rotation(axis: int, angle: Array) -> Array:
    """Rotation matrices (T, 3, 3) by ``angle`` (T,) about a coordinate axis."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, axis, axis] = 1.0
    matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
    matrix[:, second, first] = np.sin(angle)
    matrix[:, first, second] = -np.sin(angle)
    return matrix

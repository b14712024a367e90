"""Where the joints of a person are: one name for a joint under many spellings, and a standing person to compare with.

Layouts of different sensors spell the same joint differently (``spine_base``, ``hip_centre``, ``MidHip``). Their keys
here are equal, so that joints can be matched across layouts, and each layout has a rest pose.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import Layout

Array = npt.NDArray[np.float64]

_SIDES = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}
_KEYS = {
    "pelvis": "hip_centre hip_center mid_hip midhip spine_base hips root hip base_spine",
    "shoulder_centre": "shoulder_center spine_shoulder mid_shoulder thorax",
    "spine": "spine_mid torso mid_spine middle_spine spine_middle",
    "clavicle": "collar",
    "hand_tip": "handtip",
    "foot_index": "toe toes",
}
_KEY_OF = {spelling: key for key, spellings in _KEYS.items() for spelling in spellings.split()}

# A standing person of 1.7 m with the arms half down, in metres above the floor: x to the person's right, y up, z
# backwards, as a Kinect sees someone who faces it. Of a pair of joints the right one is given.
_MIDDLE = {
    "pelvis": (0.0, 0.95, 0.0), "spine": (0.0, 1.17, 0.02), "shoulder_centre": (0.0, 1.40, 0.02),
    "spine1": (0.0, 1.06, 0.02), "spine2": (0.0, 1.18, 0.02), "spine3": (0.0, 1.24, 0.02),
    "spine_navel": (0.0, 1.12, 0.02), "spine_chest": (0.0, 1.25, 0.02),
    "neck": (0.0, 1.45, 0.01), "neck_base": (0.0, 1.51, -0.03), "head": (0.0, 1.60, 0.0), "head_top": (0.0, 1.70, 0.0),
    "nose": (0.0, 1.57, -0.10),
}  # fmt: skip
_RIGHT = {
    "eye": (0.032, 1.61, -0.08), "eye_inner": (0.017, 1.61, -0.085), "eye_outer": (0.047, 1.61, -0.07),
    "ear": (0.075, 1.59, 0.0), "mouth": (0.025, 1.53, -0.09),
    "clavicle": (0.06, 1.39, 0.0), "shoulder": (0.18, 1.38, 0.02), "elbow": (0.34, 1.15, 0.03),
    "wrist": (0.48, 0.95, 0.0), "hand": (0.525, 0.89, -0.01), "hand_tip": (0.575, 0.82, -0.02),
    "thumb": (0.50, 0.87, -0.07), "index": (0.537, 0.845, -0.03), "pinky": (0.575, 0.87, 0.02),
    "hip": (0.09, 0.91, 0.0), "knee": (0.11, 0.50, -0.01), "ankle": (0.12, 0.09, 0.02),
    "foot": (0.14, 0.03, -0.09), "heel": (0.12, 0.02, 0.07), "foot_index": (0.15, 0.02, -0.16),
    "big_toe": (0.13, 0.02, -0.17), "small_toe": (0.19, 0.02, -0.13),
}  # fmt: skip
_REST = (
    _MIDDLE
    | {f"{key}_right": place for key, place in _RIGHT.items()}
    | {f"{key}_left": (-x, y, z) for key, (x, y, z) in _RIGHT.items()}
)
_UP = ("neck", "neck1", "neck_1", "shoulder_centre", "head", "chest", "chest2", "spine3", "spine2", "spine1", "spine")
_ACROSS = ("arm", "up_arm", "upper_arm", "uparm", "shoulder", "up_leg", "upleg", "upper_leg", "thigh", "hip", "leg")

_ARM = (
    "clavicle shoulder arm up_arm upper_arm uparm elbow fore_arm lower_arm forearm wrist hand hand_tip "
    "thumb index middle ring pinky"
)
_LEG = "hip thigh up_leg upleg upper_leg leg lower_leg knee shin calf ankle foot heel foot_index big_toe small_toe"
_PART_OF = dict.fromkeys(_ARM.split(), "arm") | dict.fromkeys(_LEG.split(), "leg")


def joint_key(name: str) -> str:
    """The key of a joint, equal for all spellings: ``shoulder_left`` for LeftShoulder, l_shoulder and left-shoulder."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    words = [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]
    sides = {_SIDES[word] for word in words if word in _SIDES}
    base = "_".join(word for word in words if word not in _SIDES)
    if len(sides) != 1:
        return _KEY_OF.get(base, base)
    paired = base if base in _RIGHT else _KEY_OF.get(base, base)
    return f"{paired}_{sides.pop()}"


def rest_pose(layout: Layout) -> Array:
    """A standing person of 1.7 m in a layout, (J, 3) metres, y up; NaN for a joint whose name is not known."""
    return np.array([_REST.get(joint_key(name), (np.nan,) * 3) for name in layout.joints])


def body_parts(layout: Layout) -> dict[str, tuple[int, ...]]:
    """The joints of trunk with head, arms and legs, those that the layout has: indices by name, such as ``arm_left``.

    A joint whose name tells nothing belongs with its parent; what is not of an arm or a leg is of the trunk.
    """
    parts: list[str | None] = []
    for name in layout.joints:
        base, _, side = joint_key(name).rpartition("_")
        parts.append(f"{_PART_OF[base]}_{side}" if side in ("left", "right") and base in _PART_OF else None)
    for joint in range(len(parts)):
        ancestor = joint
        while parts[ancestor] is None and layout.parents[ancestor] != ancestor:
            ancestor = layout.parents[ancestor]
        parts[joint] = parts[ancestor] or "trunk"
    names = ("trunk", "arm_left", "arm_right", "leg_left", "leg_right")
    found = {name: tuple(joint for joint, part in enumerate(parts) if part == name) for name in names}
    return {name: joints for name, joints in found.items() if joints}


def opposite(key: str) -> str | None:
    """The key of the same joint on the other side; None for one in the middle."""
    base, _, side = key.rpartition("_")
    return f"{base}_{'left' if side == 'right' else 'right'}" if side in ("left", "right") else None


def body_axes(keys: dict[str, int]) -> tuple[int, tuple[int, int]] | None:
    """A joint up the spine, and one of the left and the right side, by keys of joints; None if none are known."""
    up = next((keys[key] for key in _UP if key in keys), None)
    pairs = [(f"{base}_left", f"{base}_right") for base in _ACROSS]
    pairs += [(key, other) for key in keys if key.endswith("_left") and (other := opposite(key)) in keys]
    across = next(((keys[left], keys[right]) for left, right in pairs if left in keys and right in keys), None)
    return None if up is None or across is None else (up, across)

"""The built-in layouts."""

from __future__ import annotations

from hico_platform.data.anatomy import joint_key
from hico_platform.data.layout import KINECT_V1, KINECT_V2, Layout

# The raw files of MSR-Action3D; its authors' display code names bones by pairs of these, counted from 1.
MSR_ACTION3D = Layout(
    name="msr-action3d",
    joints=(
        "shoulder_left", "shoulder_right", "shoulder_centre", "spine", "hip_left", "hip_right", "hip_centre",
        "elbow_left", "elbow_right", "wrist_left", "wrist_right", "hand_left", "hand_right",
        "knee_left", "knee_right", "ankle_left", "ankle_right", "foot_left", "foot_right", "head",
    ),
    parents=(2, 2, 2, 2, 6, 6, 3, 0, 1, 7, 8, 9, 10, 4, 5, 13, 14, 15, 16, 2),
    centre=3,
    z_axis=(6, 3),
    x_axis=(0, 1),
)  # fmt: skip

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (KINECT_V2, KINECT_V1, MSR_ACTION3D)}


def same_joints(one: Layout, other: Layout) -> bool:
    """Whether two layouts have the same joints in the same order."""
    return [*map(joint_key, one.joints)] == [*map(joint_key, other.joints)]

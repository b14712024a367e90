"""The joints that almost every sensor and estimator gives, to bring datasets of different ones together."""

from __future__ import annotations

from hico_platform.data.layouts.built_in import built_in

COMMON = (
    built_in(
        "common-15",
        joints="head shoulder_centre spine shoulder_left elbow_left wrist_left shoulder_right elbow_right wrist_right "
        "hip_left knee_left ankle_left hip_right knee_right ankle_right",
        parents=(1, 2, 2, 1, 3, 4, 1, 6, 7, 2, 9, 10, 2, 12, 13),
        centre=(9, 12),
        z_axis=((9, 12), 1),
        x_axis=(3, 6),
        source="this project; bones as in SBU",
    ),
)

"""Motion capture, and models of the body that are fitted to it."""

from __future__ import annotations

from hico_platform.data.layouts.built_in import built_in

_SMPL = (
    "pelvis hip_left hip_right spine1 knee_left knee_right spine2 ankle_left ankle_right spine3 foot_left foot_right "
    "neck collar_left collar_right head shoulder_left shoulder_right elbow_left elbow_right wrist_left wrist_right"
)
_SMPL_PARENTS = (0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_SMPL_SOURCE = "smplx, joint_names.py; bones are the model's kinematic tree"

MOTION_CAPTURE = (
    built_in(
        "h36m",
        joints="hip hip_right knee_right foot_right hip_left knee_left foot_left spine thorax neck_base head "
        "shoulder_left elbow_left wrist_left shoulder_right elbow_right wrist_right",
        parents=(0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
        centre=0,
        z_axis=(0, 8),
        x_axis=(11, 14),
        source="Human3.6M, the 17 of 32 joints that VideoPose3D keeps (common/h36m_dataset.py); feet are ankles",
    ),
    built_in(
        "smpl-22",
        joints=_SMPL,
        parents=_SMPL_PARENTS,
        centre=0,
        z_axis=(0, 12),
        x_axis=(16, 17),
        source=f"{_SMPL_SOURCE}, without hands, as in AMASS and HumanML3D",
    ),
    built_in(
        "smpl-24",
        joints=f"{_SMPL} hand_left hand_right",
        parents=(*_SMPL_PARENTS, 20, 21),
        centre=0,
        z_axis=(0, 12),
        x_axis=(16, 17),
        source=_SMPL_SOURCE,
    ),
)

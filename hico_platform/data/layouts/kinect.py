"""Sensors of the Kinect family, and datasets recorded with them that have an order of their own."""

from __future__ import annotations

from hico_platform.data.layout import KINECT_V1, KINECT_V2
from hico_platform.data.layouts.built_in import BuiltIn, built_in

KINECT = (
    BuiltIn(
        layout=KINECT_V2,
        source="Kinect for Windows SDK 2.0, JointType; bones as in NTU RGB+D with AGCN, centre and axes as in HiCo",
        also=("ntu", "pku-mmd"),
    ),
    BuiltIn(
        layout=KINECT_V1,
        source="Kinect for Windows SDK 1.8, NUI_SKELETON_POSITION_INDEX; bones as in CTR-GCN (graph/ucla.py)",
        also=("ucla",),
    ),
    built_in(
        "azure-kinect",
        joints="pelvis spine_navel spine_chest neck "
        "clavicle_left shoulder_left elbow_left wrist_left hand_left hand_tip_left thumb_left "
        "clavicle_right shoulder_right elbow_right wrist_right hand_right hand_tip_right thumb_right "
        "hip_left knee_left ankle_left foot_left hip_right knee_right ankle_right foot_right "
        "head nose eye_left ear_left eye_right ear_right",
        parents=(
            0,
            0,
            1,
            2,
            2,
            4,
            5,
            6,
            7,
            8,
            7,
            2,
            11,
            12,
            13,
            14,
            15,
            14,
            0,
            18,
            19,
            20,
            0,
            22,
            23,
            24,
            3,
            26,
            26,
            26,
            26,
            26,
        ),
        centre=1,
        z_axis=(0, 3),
        x_axis=(5, 12),
        source="Azure Kinect Body Tracking SDK, k4abt_joint_id_t (k4abttypes.h); bones as in its page on body joints; "
        "the SDK gives millimetres and y downwards",
    ),
    built_in(
        "msr-action3d",
        joints="shoulder_left shoulder_right shoulder_centre spine hip_left hip_right hip_centre "
        "elbow_left elbow_right wrist_left wrist_right hand_left hand_right "
        "knee_left knee_right ankle_left ankle_right foot_left foot_right head",
        parents=(2, 2, 2, 2, 6, 6, 3, 0, 1, 7, 8, 9, 10, 4, 5, 13, 14, 15, 16, 2),
        centre=3,
        z_axis=(6, 3),
        x_axis=(0, 1),
        source="raw skeleton files of MSR-Action3D; the pairs of joints that its authors' display code connects",
    ),
    built_in(
        "sbu",
        joints="head neck torso shoulder_left elbow_left hand_left shoulder_right elbow_right hand_right "
        "hip_left knee_left foot_left hip_right knee_right foot_right",
        parents=(1, 2, 2, 1, 3, 4, 1, 6, 7, 2, 9, 10, 2, 12, 13),
        centre=2,
        z_axis=(2, 1),
        x_axis=(3, 6),
        source="SBU Kinect Interaction, its readme: the joints of OpenNI, whose hand and foot are near wrist and ankle",
    ),
)

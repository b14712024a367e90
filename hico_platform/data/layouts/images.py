"""Estimators of poses in images."""

from __future__ import annotations

from hico_platform.data.layouts.built_in import built_in

_COCO = (
    "nose eye_left eye_right ear_left ear_right shoulder_left shoulder_right elbow_left elbow_right "
    "wrist_left wrist_right hip_left hip_right knee_left knee_right ankle_left ankle_right"
)
_OPENPOSE = "nose neck shoulder_right elbow_right wrist_right shoulder_left elbow_left wrist_left"
_OPENPOSE_LEGS = "hip_right knee_right ankle_right hip_left knee_left ankle_left"
_OPENPOSE_FACE = "eye_right eye_left ear_right ear_left"

IMAGES = (
    built_in(
        "coco",
        joints=_COCO,
        parents=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
        centre=(11, 12),
        z_axis=((11, 12), (5, 6)),
        x_axis=(5, 6),
        source="COCO keypoints; bones as in pyskl (utils/graph.py, layout coco)",
    ),
    built_in(
        "openpose-18",
        joints=f"{_OPENPOSE} {_OPENPOSE_LEGS} {_OPENPOSE_FACE}",
        parents=(1, 1, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15),
        centre=(8, 11),
        z_axis=((8, 11), 1),
        x_axis=(5, 2),
        source="OpenPose, POSE_COCO_BODY_PARTS, also of Kinetics-Skeleton; bones as in ST-GCN and pyskl (openpose)",
    ),
    built_in(
        "openpose-25",
        joints=f"{_OPENPOSE} mid_hip {_OPENPOSE_LEGS} {_OPENPOSE_FACE} "
        "big_toe_left small_toe_left heel_left big_toe_right small_toe_right heel_right",
        parents=(1, 8, 1, 2, 3, 1, 5, 6, 8, 8, 9, 10, 8, 12, 13, 0, 0, 15, 16, 14, 19, 14, 11, 22, 11),
        centre=8,
        z_axis=(8, 1),
        x_axis=(5, 2),
        source="OpenPose, POSE_BODY_25_BODY_PARTS and the pairs of its rendering (poseParameters.cpp)",
    ),
    built_in(
        "mediapipe",
        joints="nose eye_inner_left eye_left eye_outer_left eye_inner_right eye_right eye_outer_right "
        "ear_left ear_right mouth_left mouth_right shoulder_left shoulder_right elbow_left elbow_right "
        "wrist_left wrist_right pinky_left pinky_right index_left index_right thumb_left thumb_right "
        "hip_left hip_right knee_left knee_right ankle_left ankle_right heel_left heel_right "
        "foot_index_left foot_index_right",
        parents=(
            0, 0, 1, 2, 0, 4, 5, 3, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16,
            11, 12, 23, 24, 25, 26, 27, 28, 29, 30,
        ),
        centre=(23, 24),
        z_axis=((23, 24), (11, 12)),
        x_axis=(11, 12),
        source="MediaPipe Pose, PoseLandmark and POSE_CONNECTIONS; its world landmarks are in metres, y downwards. "
        "It connects neither mouth nor shoulders with the face: here the nose is their parent",
    ),
)  # fmt: skip

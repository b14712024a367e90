"""Generated skeletons as a pose estimator sees them in a video: pixels of COCO-17 joints, and scores."""

from __future__ import annotations

import numpy as np

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.synth.generate import generate
from hico_platform.data.synth.presets import PRESETS

HEIGHT, WIDTH = 480, 640
_FOCAL_PX = 500.0
_HEAD = ("nose", "eye_left", "eye_right", "ear_left", "ear_right")
_SOURCE = [KINECT_V2.joints.index("head" if name in _HEAD else name) for name in LAYOUTS["coco"].joints]
_ON_THE_HEAD_M = np.array([(0, -0.03), (-0.03, 0.01), (0.03, 0.01), (-0.07, 0.0), (0.07, 0.0)])


def seen(pose: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of (T, M, 25, 3) in a camera's frame, keypoints (M, T, 17, 2) in pixels and scores (M, T, 17), as pyskl has them.

    A joint that is missing has zeros.
    """
    joints = pose[:, :, _SOURCE].astype(np.float64)
    joints[:, :, : len(_HEAD), :2] += _ON_THE_HEAD_M
    pixels = np.array([WIDTH, HEIGHT]) / 2 - _FOCAL_PX * joints[..., :2] / joints[..., 2:]  # x left and y up: both turn
    pixels += random.normal(size=pixels.shape)
    scores = random.uniform(0.6, 0.98, size=pixels.shape[:-1])
    missing = np.isnan(pixels).any(axis=-1)
    pixels[missing], scores[missing] = 0.0, 0.0
    return pixels.swapaxes(0, 1).astype(np.float16), scores.swapaxes(0, 1).astype(np.float16)


def pyskl_2d(*, preset: str = "tiny", seed: int = 0) -> dict[str, object]:
    """The content of a pyskl pickle such as ``ntu60_hrnet.pkl``, of a generated dataset."""
    random = np.random.default_rng(seed)
    annotations, train, test = [], [], []
    for sequence in generate(PRESETS[preset], seed=seed):
        keypoint, score = seen(sequence.pose, random)
        annotations.append(
            {"frame_dir": sequence.name, "label": sequence.label, "img_shape": (HEIGHT, WIDTH),
             "original_shape": (HEIGHT, WIDTH), "total_frames": keypoint.shape[1], "keypoint": keypoint,
             "keypoint_score": score}
        )  # fmt: skip
        (train if int(sequence.metadata["subject"] or 0) % 2 else test).append(sequence.name)
    return {"split": {"xsub_train": train, "xsub_val": test}, "annotations": annotations}

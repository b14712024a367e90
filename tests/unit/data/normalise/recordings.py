"""Generated recordings as a camera sees them, to be normalised."""

from __future__ import annotations

import numpy as np

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.synth.generate import one_sequence
from hico_platform.data.synth.presets import TINY

CENTRE, LEFT, RIGHT, NECK, HIPS = 1, 4, 8, 20, 0
OTHERS = [Normalisation.UPRIGHT, Normalisation.YAW, Normalisation.CENTRE]


def recorded(camera: int = 1, action: int = 0, people: int = 1) -> np.ndarray:
    """A generated recording in the camera's frame, y up, without its noise of lost joints on the trunk."""
    pose = one_sequence(TINY, seed=0, action=3 if people == 2 else action, subject=0, camera=camera, repetition=0).pose
    return pose[:, :people]


def turned(angle_deg: float, axis: int) -> np.ndarray:
    a = np.radians(angle_deg)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    rotation = np.eye(3)
    rotation[i, i] = rotation[j, j] = np.cos(a)
    rotation[i, j], rotation[j, i] = -np.sin(a), np.sin(a)
    return rotation


def done(pose: np.ndarray, method: Normalisation) -> tuple[np.ndarray, dict[str, int]]:
    result = normalise(pose.astype(np.float32), KINECT_V2, method=method)
    return result.pose, dict(result.remarks)


def off_z_deg(pose: np.ndarray) -> float:
    line = (pose[:, 0, NECK] - pose[:, 0, HIPS]).mean(axis=0)
    return float(np.degrees(np.arccos(line[2] / np.linalg.norm(line))))

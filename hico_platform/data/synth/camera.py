"""Model of a depth camera: its position, its noise, and the joints that it loses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hico_platform.data.synth.skeleton import NUM_JOINTS, Array

FRAMES_PER_S = 30.0
_NOISE_RISES_FROM_M = 3.0
_AIM = np.array([0.0, 0.9, 0.0])  # the middle of a standing person
_SURE_JOINTS = (0, 1, 2, 4, 8, 12, 16, 20)  # trunk, shoulders and hips: never lost, because a sensor always infers them
_LOSABLE_JOINTS = [joint for joint in range(NUM_JOINTS) if joint not in _SURE_JOINTS]


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Position of the camera relative to the people: azimuth 0 is in front of them."""

    azimuth_deg: float
    height_m: float
    distance_m: float


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """``noise_m`` is the standard deviation of a coordinate at 3 m; it grows with the square of the distance.

    ``loss_rate`` is the probability that a joint of a limb or the head is lost for part of a sequence,
    ``long_loss_rate`` that it is lost in all frames.
    """

    noise_m: float
    loss_rate: float
    long_loss_rate: float


def to_camera(points: Array, camera: Camera) -> Array:
    """World points (..., 3) in the camera's frame: x to its left, y up, z away from it, metres."""
    azimuth = np.radians(camera.azimuth_deg)
    position = np.array([camera.distance_m * np.sin(azimuth), camera.height_m, camera.distance_m * np.cos(azimuth)])
    forward = (_AIM - position) / np.linalg.norm(_AIM - position)
    left = np.cross([0.0, 1.0, 0.0], forward)
    left /= np.linalg.norm(left)
    axes = np.stack([left, np.cross(forward, left), forward])  # (3, 3), a row an axis
    seen: Array = (points - position) @ axes.T
    return seen


def sense(points: Array, *, camera: Camera, sensor: Sensor, generator: np.random.Generator) -> Array:
    """Points (T, M, J, 3) in the camera's frame as it reports them: with noise, and zeros for a lost joint."""
    noise_m = sensor.noise_m * max(1.0, camera.distance_m / _NOISE_RISES_FROM_M) ** 2
    seen = points + noise_m * generator.standard_normal(points.shape)
    num_frames, num_bodies = points.shape[:2]
    shape = (num_bodies, len(_LOSABLE_JOINTS))
    chance = generator.random(shape)
    share = generator.uniform(0.1, 0.5, shape)
    start = generator.random(shape) * (1 - share)
    time = np.arange(num_frames)[:, None, None] / num_frames  # (T, 1, 1)
    briefly = (chance < sensor.loss_rate) & (time >= start) & (time < start + share)
    lost = briefly | (chance > 1 - sensor.long_loss_rate)  # (T, M, losable)
    seen[:, :, _LOSABLE_JOINTS] *= ~lost[..., None]
    return seen

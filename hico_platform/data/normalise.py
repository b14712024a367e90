"""Normalisation of recorded skeletons as in HiCo and AGCN, vectorised and without padding.

Source: the released converter of HiCo (data_gen), whose order of operations is kept: choose the two most
moving bodies, close leading gaps, repeat, centre, turn.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import Layout

MOST_BODIES_READ = 4
MOST_BODIES_KEPT = 2

Pose = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_PARALLEL = 1e-6  # below this a cross product has no direction, and nothing is rotated


class Normalisation(StrEnum):
    """How poses are brought into one frame of reference."""

    RELEASED = "released"
    """As HiCo and AGCN: centred, the spine of body 0 in frame 0 turned onto z, then its shoulders onto x."""


def normalise(pose: Pose, layout: Layout, *, num_frames: int | None = None) -> Pose:
    """Chooses bodies, closes leading gaps, centres the pose and rotates it upright.

    ``pose`` is float32 (T, M, J, C) with any number of bodies, in metres, a missing joint all NaN. The result is
    float32 (T', M', J, C), a missing joint all zeros, with M' 1 or 2: bodies in order of decreasing motion, T' the
    frames of the longest one without its leading empty frames, the shorter one repeated from its start. With
    ``num_frames`` the result is cut or repeated to that length, each body with its own period, as the released files
    are padded to 300.

    If no body has a joint in any frame, T' and M' are 0.
    """
    bodies = [closed for m in most_moving(pose) if len(closed := close_gaps(pose[:, m]))]  # each (T_m, J, C)
    length = num_frames if num_frames is not None else max(map(len, bodies), default=0)
    if not bodies or length == 0:
        return np.zeros((0, 0, *pose.shape[2:]), np.float32)
    joined = np.stack([body[np.arange(length) % len(body)] for body in bodies], axis=1)  # (T', M', J, C)
    present = ~np.isnan(joined).any(axis=-1, keepdims=True)
    centre = np.nan_to_num(layout.centre_of(joined[:, :1]))[:, :, None]  # (T', 1, 1, C)
    joined = np.nan_to_num(joined)
    joined -= centre
    joined *= present
    return _upright(joined, layout)


def _upright(pose: Pose, layout: Layout) -> Pose:
    """Rotates (T, M, J, C) so that body 0's spine in frame 0 is along z, and then its shoulders along x."""
    first = pose[0, 0].astype(np.float64)  # (J, C)
    rotation = np.eye(3)
    for line, target in ((layout.z_line(first), 2), (layout.x_line(first), 0)):
        rotation = rotation_onto(rotation @ line, np.eye(3)[target]) @ rotation
    return (pose.reshape(-1, 3) @ rotation.T.astype(np.float32)).reshape(pose.shape)


def most_moving(pose: Pose) -> list[int]:
    """The one or two bodies of (T, M, J, C) that move most, most first, among the first four.

    Motion is the sum over axes of the standard deviation over a body's non-empty frames and joints.
    """
    motion = []
    for m in range(min(pose.shape[1], MOST_BODIES_READ)):
        body = pose[:, m].astype(np.float64)
        shown = np.nan_to_num(body[_frames_shown(body)])  # as released, a missing joint counts as one at the origin
        motion.append((float(shown.std(axis=(0, 1)).sum()) if len(shown) else 0.0, m))
    # Of equal ones the later body is first, as with the reversed argsort of the released converter.
    return [m for _, m in sorted(motion, reverse=True)[:MOST_BODIES_KEPT]]


def close_gaps(body: Pose) -> Pose:
    """The frames of one body (T, J, C) up to its last non-empty one; without any empty ones if the first is empty.

    As released: a body that is visible from the start keeps its gaps, one that appears later loses all of them.
    """
    shown = _frames_shown(body)
    if not shown.any():
        return body[:0]
    if not shown[0]:
        return body[shown]
    return body[: len(shown) - int(np.argmax(shown[::-1]))]


def _frames_shown(body: npt.NDArray[np.floating]) -> Mask:
    """Which frames of one body (T, J, C) show a joint, (T,)."""
    shown: Mask = ~np.isnan(body).any(axis=-1).all(axis=-1)
    return shown


def rotation_onto(source: Floats, target: Floats) -> Floats:
    """The smallest rotation (3, 3) that turns ``source`` into the direction of the unit vector ``target``.

    The identity if either has no direction, or if they are parallel or antiparallel.
    """
    normal = np.cross(source, target)
    if np.abs(normal).sum() < _PARALLEL or np.abs(source).sum() < _PARALLEL:
        return np.eye(3)
    unit = source / np.linalg.norm(source)
    x, y, z = np.cross(unit, target)
    turn = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    # Rodrigues' formula in the form without an angle: 1 / (1 + cos).
    rotation: Floats = np.eye(3) + turn + turn @ turn / (1 + unit @ target)
    return rotation

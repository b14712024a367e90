"""Normalisation as in HiCo and AGCN, to the last bit.

Source: the released converter of HiCo (data_gen), whose order of operations is kept: choose the two most
moving bodies, close leading gaps, repeat, centre, turn.
"""

from __future__ import annotations

import numpy as np

from hico_platform.data.layout import Layout
from hico_platform.data.normalise.bodies import (
    MOST_BODIES_KEPT,
    MOST_BODIES_READ,
    Floats,
    Mask,
    Normalised,
    Pose,
    frames_shown,
    no_body,
)

NOT_CENTRED = "frames not centred, as released: the joint of the centre is missing"
TURNED_BY_MISSING = "recordings turned by a missing joint, as released"

_PARALLEL = 1e-6  # below this a cross product has no direction, and nothing is rotated


def released(pose: Pose, layout: Layout, *, num_frames: int | None = None) -> Normalised:
    """Chooses bodies, closes leading gaps, centres the pose and rotates it upright.

    T' is the number of frames of the longest body without its leading empty frames; the shorter one is repeated from
    its start. With ``num_frames`` the result is cut or repeated to that length, each body with its own period.

    A missing joint is where the released code takes it to be, at the centre, so that a missing centre moves a frame,
    and a missing joint of an axis turns a recording; both are counted.
    """
    bodies = [closed for m in most_moving(pose) if len(closed := close_gaps(pose[:, m]))]  # each (T_m, J, C)
    length = num_frames if num_frames is not None else max(map(len, bodies), default=0)
    if not bodies or length == 0:
        return no_body(pose)
    joined = np.stack([body[np.arange(length) % len(body)] for body in bodies], axis=1)  # (T', M', J, C)
    present: Mask = np.all(~np.isnan(joined), axis=-1, keepdims=True)
    centre = layout.centre_of(joined[:, :1])[:, :, None]  # (T', 1, 1, C)
    lost: Mask = np.any(np.isnan(centre[:, 0, 0]), axis=-1)  # (T',)
    not_centred = int(np.count_nonzero(lost & present.any(axis=(1, 2, 3))))
    axes = np.stack([layout.z_line(joined[0, 0]), layout.x_line(joined[0, 0])])
    remarks = {NOT_CENTRED: not_centred, TURNED_BY_MISSING: int(np.isnan(axes).any())}
    joined = np.nan_to_num(joined)
    joined -= np.nan_to_num(centre)
    joined *= present
    return Normalised(pose=_upright(joined, layout), remarks={name: n for name, n in remarks.items() if n})


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
        shown = np.nan_to_num(body[frames_shown(body)])  # as released, a missing joint counts as one at the origin
        motion.append((float(shown.std(axis=(0, 1)).sum()) if len(shown) else 0.0, m))
    # Of equal ones the later body is first, as with the reversed argsort of the released converter.
    return [m for _, m in sorted(motion, reverse=True)[:MOST_BODIES_KEPT]]


def close_gaps(body: Pose) -> Pose:
    """The frames of one body (T, J, C) up to its last non-empty one; without any empty ones if the first is empty.

    As released: a body that is visible from the start keeps its gaps, one that appears later loses all of them.
    """
    shown = frames_shown(body)
    if not shown.any():
        return body[:0]
    if not shown[0]:
        return body[shown]
    return body[: len(shown) - int(np.argmax(shown[::-1]))]


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

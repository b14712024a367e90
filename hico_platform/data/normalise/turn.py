"""The turns of ``upright``, ``yaw`` and ``centre``: rotations that put the vertical on z.

A direction is a mean over all frames that have the joints it needs, since one frame is noise: a person bends, and a
sensor misses a joint.
"""

from __future__ import annotations

import numpy as np

from hico_platform.data.layout import Layout
from hico_platform.data.normalise.bodies import Floats, Pose
from hico_platform.data.normalise.released import rotation_onto

NOT_TURNED = "recordings not turned to face x: a joint of the axis is never seen"
TILTED = "recordings over 45 degrees off the vertical: people lie, or y is not up and upright is the method"
TILTED_IN_IMAGE = "recordings over 45 degrees off the vertical: people lie, or the layout is another"
NOT_UPRIGHT = "recordings not turned upright: a joint of the axis is never seen"

Y_UP_TO_Z_UP: Floats = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""The quarter turn about x from a camera's frame, whose y points upwards, to one whose z does; x stays."""

_HALF_TURN: Floats = np.diag([1.0, -1.0, -1.0])
_NO_DIRECTION = 1e-6
_UPRIGHT_COSINE = 0.5**0.5  # of 45 degrees


def upright_turn(body: Pose, layout: Layout) -> tuple[Floats, list[str]]:
    """The rotation (3, 3) of ``upright`` for a body (T, J, C), and remarks.

    The trunk goes onto z, and then a turn about z, which keeps it there, brings the shoulders to face x. So the result
    does not depend on how the camera stood.
    """
    up = mean_direction(plumb_line(body, layout))
    if not up.any():
        return _facing_x(np.eye(3), body, layout, [NOT_UPRIGHT])
    onto_z = _HALF_TURN if up[2] < _NO_DIRECTION - 1 else rotation_onto(up, np.array([0.0, 0.0, 1.0]))
    return _facing_x(onto_z, body, layout, [])


def yaw_turn(body: Pose, layout: Layout) -> tuple[Floats, list[str]]:
    """The rotation (3, 3) of ``yaw`` for a body (T, J, C), and remarks: the camera's vertical is believed."""
    return _facing_x(Y_UP_TO_Z_UP, body, layout, [])


def centre_turn(body: Pose, layout: Layout) -> tuple[Floats, list[str]]:
    """The rotation (3, 3) of ``centre``, which is the same for all bodies, and no remarks."""
    return Y_UP_TO_Z_UP, []


def is_tilted(body: Pose, layout: Layout) -> bool:
    """Whether the mean line from hips to neck of a body (T, J, C) is over 45 degrees off z; False if never seen."""
    line = plumb_line(body, layout)
    line = line[~np.isnan(line).any(axis=-1)]
    mean = line.mean(axis=0) if len(line) else np.zeros(body.shape[-1])
    return bool(mean[-1] < _UPRIGHT_COSINE * np.linalg.norm(mean))


def plumb_line(body: Pose, layout: Layout) -> Floats:
    """The line from hips to neck of a body (T, J, C), (T, C), NaN where a joint is missing.

    The layout's z axis, or the line from its start to the middle of the x axis, which most often is between the
    shoulders: the longer one, since in a short one the noise of its ends weighs more.
    """
    lines = [layout.z_line(body).astype(np.float64), layout.trunk_line(body).astype(np.float64)]
    lengths = [np.linalg.norm(line[~np.isnan(line).any(axis=-1)], axis=-1) for line in lines]
    return lines[int(np.argmax([np.median(length) if len(length) else 0.0 for length in lengths]))]


def mean_direction(lines: Floats) -> Floats:
    """The mean direction, a unit vector (3,), of the half of the lines (T, 3) that are nearest to the mean of all.

    Lines with NaN do not count. Zeros if there are none with a direction. It turns with its lines.
    """
    lengths = np.linalg.norm(lines, axis=-1, keepdims=True)
    directions = (lines / np.maximum(lengths, _NO_DIRECTION))[lengths[:, 0] > _NO_DIRECTION]  # of NaN: no
    if not len(directions):
        return np.zeros(3)
    nearness = directions @ directions.mean(axis=0)
    nearest = np.argsort(-nearness, kind="stable")[: (len(directions) + 1) // 2]
    mean: Floats = directions[nearest].mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > _NO_DIRECTION else np.zeros(3)


def _facing_x(onto_z: Floats, body: Pose, layout: Layout, remarks: list[str]) -> tuple[Floats, list[str]]:
    """``onto_z``, and then a turn about z that brings the line across the body to x, seen from above."""
    across = layout.x_line(body).astype(np.float64) @ onto_z.T
    x, y = mean_direction(across * (1.0, 1.0, 0.0))[:2]
    if not x and not y:
        return onto_z, [*remarks, NOT_TURNED]
    return np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]]) @ onto_z, remarks

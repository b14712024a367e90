"""What ``upright``, ``yaw`` and ``centre`` share: bodies on one time axis, and a centre in every frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from hico_platform.data.layout import Layout
from hico_platform.data.normalise.bodies import (
    MOST_BODIES_KEPT,
    Floats,
    Mask,
    Normalised,
    Pose,
    frames_shown,
    no_body,
)
from hico_platform.data.normalise.turn import TILTED, TILTED_IN_IMAGE, is_tilted

MOST_INTERPOLATED_FRAMES = 60
"""Two seconds of Kinect: over a longer gap the nearest centre is kept instead, since the way between is a guess."""

LEFT_OUT = "frames left out at an end: nobody is seen"
INTERPOLATED = "frames with an interpolated centre: its joint is missing"
HELD = "frames with the nearest centre: its joint is missing"
WITHOUT_CENTRE = "recordings centred as a whole: the joint of the centre is never seen"

Turn = Callable[[Pose, Layout], tuple[Floats, list[str]]]


def centred(pose: Pose, layout: Layout, *, turn: Turn) -> Normalised:
    """Keeps the two bodies that move most, and subtracts the centre of the first one, frame by frame.

    Both bodies keep their times: a body that is not seen in a frame is zeros there. Frames before and after all of them
    are left out. Where the first body's centre is missing, it is filled in (``filled``). ``turn`` finds the rotation.
    """
    kept = most_moving(pose)
    shown: Mask = np.any(frames_shown(pose[:, kept]), axis=1)  # (T,)
    if not shown.any():
        return no_body(pose)
    first, last = np.flatnonzero(shown)[[0, -1]]
    remarks = Counter({LEFT_OUT: len(shown) - int(last + 1 - first)})
    bodies = pose[first : last + 1, kept]  # (T', M', J, C)
    centre, filling = _centre(bodies[:, 0], layout)
    moved = bodies - centre[:, None, None].astype(np.float32)
    rotation, turning = turn(moved[:, 0], layout)
    turned = (moved.reshape(-1, moved.shape[-1]) @ rotation.T.astype(np.float32)).reshape(moved.shape)
    remarks.update(filling)
    remarks.update(turning)
    remarks[TILTED if moved.shape[-1] == 3 else TILTED_IN_IMAGE] = int(is_tilted(turned[:, 0], layout))
    return Normalised(pose=np.nan_to_num(turned), remarks={name: n for name, n in remarks.items() if n})


def most_moving(pose: Pose) -> list[int]:
    """The one or two bodies of (T, M, J, C) that move most, most first, of equal ones the first.

    Motion is the sum over axes of the standard deviation over all joints that are seen.
    """
    motion: dict[int, float] = {}
    for m in range(pose.shape[1]):
        seen = pose[:, m][~np.isnan(pose[:, m]).any(axis=-1)].astype(np.float64)  # (n, C)
        if len(seen):
            motion[m] = float(seen.std(axis=0).sum())
    return sorted(motion, key=lambda m: -motion[m])[:MOST_BODIES_KEPT]


def filled(points: Floats) -> tuple[Floats, dict[str, int]]:
    """Points (T, C) without the NaN of some frames, and how many were filled in.

    Up to ``MOST_INTERPOLATED_FRAMES`` in a row are interpolated; in a longer gap, and at the ends, the nearest point
    that is known is taken. At least one has to be known.
    """
    known: Mask = np.all(~np.isnan(points), axis=-1)
    frames, at = np.flatnonzero(known), np.arange(len(points))
    i = np.searchsorted(frames, at)
    later, earlier = frames[np.minimum(i, len(frames) - 1)], frames[np.maximum(i - 1, 0)]
    span = later - earlier
    share = np.where(span > 0, (at - earlier) / np.maximum(span, 1), 1.0)  # of the later one
    long = span > MOST_INTERPOLATED_FRAMES + 1
    share = np.where(long & ~known, np.round(share), share)[:, None]
    between = ~known & ~long & (span > 0)
    counts = {INTERPOLATED: int(between.sum()), HELD: int((~known & ~between).sum())}
    return (1 - share) * points[earlier] + share * points[later], counts


def _centre(body: Pose, layout: Layout) -> tuple[Floats, dict[str, int]]:
    """The centre of a body (T, J, C) in every frame, (T, C), and remarks."""
    centre = layout.centre_of(body).astype(np.float64)
    if np.isnan(centre).any(axis=-1).all():
        middle = np.nanmean(body.reshape(-1, body.shape[-1]).astype(np.float64), axis=0)
        return np.broadcast_to(middle, centre.shape), {WITHOUT_CENTRE: 1}
    return filled(centre)

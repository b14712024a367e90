"""Normalisation of poses in an image (C = 2): x to the right, y up, as large as the person is in metres.

An image has no unit of length that people share: a person is as large as resolution and distance make them. So a pose
is divided by the length of the person's trunk, and not by the size of the image, as pyskl's ``PreNormalize2D`` does.
"""

from __future__ import annotations

import numpy as np

from hico_platform.data.layout import Layout
from hico_platform.data.normalise.bodies import Floats, Pose

TRUNK_M = 0.5
"""From the middle of the hips to that of the shoulders or the neck, of an adult."""

SHOULDERS_M = 0.35
"""Between the joints of the shoulders, of an adult."""

SPREAD_M = 0.45
"""Root mean square distance of a standing adult's joints from their mean."""

BY_SHOULDERS = "recordings scaled by the shoulders: the trunk is never seen"
BY_SPREAD = "recordings scaled by the spread of the joints: trunk and shoulders are never seen"

_QUANTILE = 0.9  # a line that points to the camera looks short, so the long ones are those seen from the side
_NO_LENGTH = 1e-6


def image_turn(body: Pose, layout: Layout) -> tuple[Floats, list[str]]:
    """The matrix (2, 2) of ``image`` for a body (T, J, 2) with y pointing down, and remarks.

    It turns y up and scales: the 0.9 quantile of the length of the trunk over the frames becomes half a metre. Where
    the trunk is never seen, as in the picture of a person behind a desk, the shoulders give the scale.
    """
    for line, metres, remarks in (
        (layout.z_line(body), TRUNK_M, []),
        (layout.x_line(body), SHOULDERS_M, [BY_SHOULDERS]),
    ):
        length = _long(line.astype(np.float64))
        if length > _NO_LENGTH:
            return np.diag([1.0, -1.0]) * (metres / length), remarks
    seen = body[~np.isnan(body).any(axis=-1)].astype(np.float64)  # (n, 2)
    spread = float(np.sqrt(((seen - seen.mean(axis=0)) ** 2).sum(axis=-1).mean())) if len(seen) else 0.0
    return np.diag([1.0, -1.0]) * (SPREAD_M / spread if spread > _NO_LENGTH else 1.0), [BY_SPREAD]


def _long(lines: Floats) -> float:
    """The 0.9 quantile of the lengths of lines (T, 2) without NaN; 0 if there are none."""
    lengths = np.linalg.norm(lines, axis=-1)
    lengths = lengths[~np.isnan(lengths)]
    return float(np.quantile(lengths, _QUANTILE)) if len(lengths) else 0.0

"""What the methods of normalisation share: their result, and which frames show a body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

MOST_BODIES_READ = 4
MOST_BODIES_KEPT = 2

Pose = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Normalised:
    """A normalised recording."""

    pose: Pose
    """(T, M, J, C), a missing joint all zeros."""
    remarks: Mapping[str, int] = field(default_factory=dict)
    """What had to be filled in or left out, counted by name; without what did not occur."""


def no_body(pose: Pose) -> Normalised:
    """The result for a recording that shows nobody."""
    return Normalised(pose=np.zeros((0, 0, *pose.shape[2:]), np.float32))


def frames_shown(pose: npt.NDArray[np.floating]) -> Mask:
    """Which frames of poses (..., J, C) show a joint, (...,)."""
    shown: Mask = ~np.isnan(pose).any(axis=-1).all(axis=-1)
    return shown

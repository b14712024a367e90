"""One skeleton sequence, as readers and the generator produce it and the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

MOST_FRAMES = 100_000
MOST_METRES = 10_000.0
"""Largest accepted absolute coordinate of a joint."""

Metadata = Mapping[str, int | float | str | None]


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A recorded or generated action.

    ``pose`` is float32 (T, M, J, C): valid frames only, metres, a missing joint is all zeros.
    ``metadata`` holds subject, camera, setup, repetition, split and whatever else is known.
    """

    name: str
    label: int
    pose: npt.NDArray[np.float32]
    metadata: Metadata = field(default_factory=dict)

"""One skeleton sequence, as readers and the generator produce it and the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

MOST_FRAMES = 100_000
MOST_METRES = 10_000.0
"""Largest accepted absolute coordinate of a joint."""


class MissingJoint(StrEnum):
    """How raw poses of a source mark a joint that the sensor did not see."""

    ZERO = "zero"
    """All coordinates zero, as NTU RGB+D, PKU-MMD and the archives made of them."""

    NAN = "nan"
    """NaN in a coordinate; a joint at the origin is a joint."""


class Unit(StrEnum):
    """The unit of the coordinates in raw files."""

    M = "m"
    MM = "mm"
    CM = "cm"
    IN = "in"

    @property
    def metres(self) -> float:
        """How many metres it is."""
        return {"m": 1.0, "mm": 0.001, "cm": 0.01, "in": 0.0254}[self]


UNLABELLED = -1
"""Stands for no label in an array of labels."""

Metadata = Mapping[str, int | float | str | None]


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A recorded or generated action.

    ``pose`` is float32 (T, M, J, C), metres. As recorded, a missing joint is all NaN; normalised for a store, it is all
    zeros, and only valid frames are left. ``label`` is the index of its class, None where it is not known.
    ``metadata`` holds subject, camera, setup, repetition, split and whatever else is known.
    """

    name: str
    label: int | None
    pose: npt.NDArray[np.float32]
    metadata: Metadata = field(default_factory=dict)
    remarks: Mapping[str, int] = field(default_factory=dict)
    """What reading changed or repaired, counted by name; the report of an import sums them. Not kept in a store."""


def nan_where_zero(pose: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A copy of (T, M, J, C) in which joints of zeros are NaN: the missing ones of a ``MissingJoint.ZERO`` source."""
    return np.where(pose.any(axis=-1, keepdims=True), pose, np.float32(np.nan))

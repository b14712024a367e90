"""What every reader gives: a source that plans its items and reads them one by one, in any process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.sequence import MOST_FRAMES, MOST_METRES, Sequence
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.errors import DataError, Problem

MOST_VALUES = 20_000_000  # bounds what one recording costs a worker
MOST_CLASSES = 10_000


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a user may say about the raw data."""

    layout: Layout = KINECT_V2
    missing: Path | None = None
    """A file with the names of sequences to leave out."""
    bodies: BodyOrder = BodyOrder.FOLLOWED


@dataclass(frozen=True, kw_only=True)
class Item:
    """A unit of work: a file, a row of a manifest, or a range of rows of an archive."""

    file: Path
    line: int | None = None
    value: Any = None
    """What else the reader needs; plain and small, for it travels to another process."""
    reads: tuple[Path, ...] = ()
    """The files that hold the recording, where that is not ``file`` alone."""


@dataclass(frozen=True, kw_only=True)
class ReadPlan:
    """The items in the order of the store, what is wrong already, and how many the user left out."""

    items: list[Item]
    problems: list[Problem]
    left_out: int = 0
    items_a_chunk: int = 32
    """How many a worker reads in one go; what it had of them is lost where an import is stopped."""


class Source(Protocol):
    """A dataset as the user has it; small, for it travels to the worker processes."""

    @property
    def dataset(self) -> str:
        """Its name; names the published protocols."""

    @property
    def layout(self) -> Layout:
        """The skeleton of its recordings."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each label; the labels are 0 to one less than their number."""

    @property
    def protocols(self) -> Mapping[str, Any]:
        """Protocol hints for the store."""

    @property
    def normalised(self) -> bool:
        """Whether who made the files normalised them already."""

    def plan(self) -> ReadPlan:
        """What there is to read."""

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The recordings of an item, bodies as found (M of any number), or what is wrong with one.

        Raises DataError where the whole item is unusable.
        """


def clean(pose: npt.NDArray[Any], *, file: Path, line: int | None, nan_is_missing: bool) -> npt.NDArray[np.float32]:
    """A recorded pose (T, M, J, C) as float32 with zeros for missing joints.

    Raises DataError where a coordinate is infinite, not a number (unless that marks a missing joint) or beyond
    ten kilometres, where there are too many frames, or where no joint is there at all.
    """

    def wrong(rule: str, value: object = None, remedy: str = "correct or leave out this recording") -> DataError:
        return DataError(Problem(file=file, line=line, rule=rule, value=value, remedy=remedy))

    if len(pose) == 0:
        raise wrong("a recording of at least one frame", 0)
    if len(pose) > MOST_FRAMES:
        raise wrong(f"a recording of at most {MOST_FRAMES} frames", len(pose), "cut it into actions")
    if pose.size > MOST_VALUES:
        raise wrong(f"a recording of at most {MOST_VALUES} coordinates", pose.size, "cut it into actions")
    if pose.shape[1] == 0:
        raise wrong("a recording of at least one body", 0)
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        cleaned = np.array(pose, np.float64)
    missing = np.isnan(cleaned).any(axis=-1)  # (T, M, J)
    if missing.any():
        if not nan_is_missing:
            raise wrong("a coordinate that is a number", "nan")
        cleaned[missing] = 0
    if not (np.abs(cleaned) <= MOST_METRES).all():
        raise wrong(f"a finite coordinate within {MOST_METRES:g} metres", float(np.abs(cleaned).max()))
    if not cleaned.any():
        raise wrong("a recording that shows at least one joint", remedy="leave it out: every joint is missing")
    return cleaned.astype(np.float32)

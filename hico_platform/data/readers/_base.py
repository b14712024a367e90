"""The interface of readers: a source, which lists its items and reads them one by one, in any process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hico_platform.data.axes import MOST_BODIES_RECORDED, axes_remedy, ordered
from hico_platform.data.layout import KINECT_V2, Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import MOST_FRAMES, MOST_METRES, MissingJoint, Sequence, Unit, nan_where_zero
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError, Problem

MOST_VALUES = 20_000_000  # limits the memory that one recording takes in a worker
MOST_CLASSES = 10_000


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """The user's options for reading raw data."""

    layout: Layout = KINECT_V2
    missing: Path | None = None
    """A file with the names of sequences to exclude."""
    bodies: BodyOrder = BodyOrder.FOLLOWED
    class_names: tuple[str, ...] = ()
    """Names for classes that the raw data only number, or the classes that a manifest's names are of."""
    unit: Unit | None = None
    """Of the coordinates in the files, which a store keeps in metres; None as the map says, or metres."""
    normalisation: Normalisation | None = None
    """How the recordings are normalised; None as is usual for the format."""
    coordinates: int | None = None
    """3, or 2 of poses in an image, where a third one is a score; None as the files say, else 3."""
    map: TableMap | None = None
    """How columns or keys become joints."""
    window: int | None = None
    """Frames of the windows into which recordings are cut; None if they are not."""
    stride: int | None = None
    """Frames from one window to the next; None for that of a window."""

    @property
    def unit_read(self) -> Unit:
        """The unit in which the files are read."""
        return self.unit or (Unit.M if self.map is None else self.map.unit)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A unit of work: a file, a row of a manifest, or a range of rows of an archive."""

    file: Path
    line: int | None = None
    value: Any = None
    """Further values for the reader; plain and small, because it is sent to another process."""
    reads: tuple[Path, ...] = ()
    """The files with the recording, if that is not only ``file``."""


@dataclass(frozen=True, kw_only=True)
class ReadPlan:
    """The items in the order of the store, problems found so far, and how many sequences the user excluded."""

    items: list[Item]
    problems: list[Problem]
    left_out: int = 0
    items_a_chunk: int = 32
    """Number of items in a chunk; when an import is stopped, unfinished chunks are lost."""
    remarks: Mapping[str, int] = field(default_factory=dict)
    """What else was found and is not read, counted by name, for the report."""


class Source(Protocol):
    """A dataset of raw files; small, because it is sent to the worker processes."""

    @property
    def dataset(self) -> str:
        """The dataset's name, which selects its published protocols."""

    @property
    def layout(self) -> Layout:
        """The skeleton of its recordings."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; labels are indices into them."""

    @property
    def protocols(self) -> Mapping[str, Any]:
        """Protocols for the store, besides the published ones."""

    @property
    def coordinates(self) -> int:
        """C: 3 of poses in metres, 2 of poses in an image."""

    @property
    def missing_joint(self) -> MissingJoint:
        """How the poses in the files mark a missing joint."""

    @property
    def normalised(self) -> bool:
        """Whether the poses in the files are already normalised."""

    def plan(self) -> ReadPlan:
        """Lists the items to read."""

    def read(self, item: Item) -> Iterator[Sequence | Problem]:
        """The recordings of an item, with any number of bodies M, or the problem of a recording.

        Raises DataError if the whole item is unusable.
        """


def check_axes(
    shape: tuple[int, ...], *, layout: Layout, coordinates: int = 3, file: Path, line: int | None = None
) -> None:
    """Checks an array (T, J, C) or (T, M, J, C) of the user's own making, whose axes people mix up.

    For readers of such arrays, before ``clean``. Raises DataError that names the swap of axes, or too many bodies.
    """
    joints = len(layout.joints)
    order = "TJC" if len(shape) == 3 else "TMJC"
    if ordered(shape, order=order, joints=joints, coordinates=coordinates):
        return
    remedy = axes_remedy(shape, order=order, joints=joints, coordinates=coordinates)
    if coordinates == 3 and shape[-2:] == (joints, 2):
        remedy = "give --coordinates 2, and --layout: these are 2D"
    bodies = f", M at most {MOST_BODIES_RECORDED} and at most T" if len(shape) == 4 else ""
    raise DataError(
        Problem(file=file, line=line, rule=f"an array (T, {joints}, {coordinates}) or (T, M, {joints}, {coordinates})"
                f"{bodies}", value=list(shape),
                remedy=remedy or f"correct the array, or name its layout (this is {layout.name})")
    )  # fmt: skip


def clean(
    pose: npt.NDArray[Any], *, file: Path, line: int | None, missing: MissingJoint, unit: Unit = Unit.M
) -> npt.NDArray[np.float32]:
    """A recorded pose (T, M, J, C) in ``unit`` as float32 in metres, with NaN in all coordinates of missing joints.

    Raises DataError if a coordinate is infinite, NaN (unless that marks a missing joint) or beyond ten kilometres, if
    there are too many frames, or if every joint is missing.
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
    if unit is not Unit.M:
        cleaned *= unit.metres
    absent = np.isnan(cleaned).any(axis=-1)  # (T, M, J)
    if absent.any() and missing is not MissingJoint.NAN:
        raise wrong("a coordinate that is a number", "nan")
    furthest = float(np.abs(cleaned[~absent]).max(initial=0))
    if not furthest <= MOST_METRES:
        raise wrong(f"a finite coordinate within {MOST_METRES:g} metres", furthest)
    cleaned[absent] = np.nan
    recorded = cleaned.astype(np.float32)
    recorded = nan_where_zero(recorded) if missing is MissingJoint.ZERO else recorded
    if np.isnan(recorded).all():
        raise wrong("a recording that shows at least one joint", remedy="leave it out: every joint is missing")
    return recorded

"""The Arrow store: one format for every dataset, memory-mapped and shared between processes.

A store is a folder of three files:

- ``pose.arrow``: an Arrow IPC file of record batches, one list of float32 a sequence, laid out (T, M, J, C);
- ``index.arrow``: name, label (null where there is none), frames, bodies, offset in ``pose.arrow``, metadata columns;
- ``store.json``: schema version, layout, normalisation, class names, counts, digest, provenance, protocol hints. It is
  written last.

``store_writer.py`` writes one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hico_platform.data.arrow_numpy import numbers_of
from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import UNLABELLED, MissingJoint
from hico_platform.data.skeleton_file import BodyOrder
from hico_platform.data.split_guard import refuse_sequence
from hico_platform.data.store_index import CONTENT, METADATA_PREFIX, content_of
from hico_platform.errors import ConfigError, DataError, Problem

if TYPE_CHECKING:
    import torch

SCHEMA_VERSION = 2
_READABLE = (1, 2)
POSE_FILE = "pose.arrow"
INDEX_FILE = "index.arrow"
HEADER_FILE = "store.json"
COORDINATES = 3
"""C, unless a store says otherwise."""


class Store:
    """A prepared dataset, memory-mapped; cheap to open and to pickle.

    Raises DataError if the folder is missing, damaged, or of another schema version.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        header = _read_header(self.directory)
        try:
            self.schema_version: int = header["schema_version"]
            self.dataset: str = header["dataset"]
            self.layout = Layout.from_plain(header["layout"])
            self.class_names: tuple[str, ...] = tuple(header["class_names"])
            self.normalisation = Normalisation(header["normalisation"]) if header["normalisation"] else None
            """How its poses were normalised; None if they are as recorded."""
            self.missing_joint = MissingJoint(header["missing_joint"])
            """How the raw files marked a missing joint; in the store it is zeros."""
            self.coordinates: int = header["coordinates"]
            """Coordinates C of a joint."""
            self.digest: str = header["digest"]
            self.provenance: dict[str, Any] = header["provenance"]
            self.protocols: dict[str, Any] = header["protocols"]
            """Protocols of this store: name to a plain rule, as ``hico_platform.data.split`` reads it."""
            sequences = header["counts"]["sequences"]
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise _torn(self.directory / HEADER_FILE, "a whole header", str(error)) from None
        self.closed: npt.NDArray[np.bool_] | None = None
        """Mask of the sequences that may not be read, (N,); None where all may."""
        self._index = _read_index(self.directory / INDEX_FILE)
        if len(self._index) != sequences:
            raise _torn(self.directory / INDEX_FILE, f"an index of {sequences} sequences", len(self._index))

    @classmethod
    def open(cls, directory: Path | str) -> Store:
        """Opens the store in ``directory``; 100,000 sequences take milliseconds."""
        return cls(directory)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self._index)

    def without(self, indices: npt.NDArray[np.int64]) -> Store:
        """The same store with some sequences closed: their labels are hidden, and reading their poses is refused.

        What says nothing of the poses stays: names, lengths, metadata and the digests of their content.
        """
        closed = copy.copy(self)
        for cached in ("labels", "labelled"):
            closed.__dict__.pop(cached, None)
        closed.closed = np.zeros(len(self), bool) if self.closed is None else self.closed.copy()
        closed.closed[indices] = True
        return closed

    def __reduce__(self) -> tuple[Callable[..., Store], tuple[Path, npt.NDArray[np.bool_] | None]]:
        """Pickled as its path, with what is closed."""
        return _reopened, (self.directory, self.closed)

    @property
    def bodies(self) -> BodyOrder:
        """How the bodies of its ``.skeleton`` files were told apart; that of formats without ids says nothing."""
        provenance = self.provenance
        while "mapped" in provenance:  # to another layout; the bodies stay
            provenance = provenance["mapped"]["provenance"]
        return BodyOrder(provenance.get("bodies", BodyOrder.FOLLOWED))

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class of each sequence, (N,); ``UNLABELLED`` for one without a label, and for one that is closed."""
        labels = self._numbers("label")
        if labels.dtype == np.float64:  # with NaN for null
            labels = np.where(np.isnan(labels), UNLABELLED, labels).astype(np.int64)
        return labels if self.closed is None else np.where(self.closed, UNLABELLED, labels)

    @cached_property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Mask of the sequences that have a label, bool (N,)."""
        has_label: npt.NDArray[np.bool_] = self.labels != UNLABELLED
        return has_label

    @cached_property
    def num_frames(self) -> npt.NDArray[np.int64]:
        """Frames T of each sequence, (N,)."""
        return self._numbers("num_frames")

    @cached_property
    def num_bodies(self) -> npt.NDArray[np.int64]:
        """Bodies M of each sequence, (N,)."""
        return self._numbers("num_bodies")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each sequence."""
        return tuple(self._index.column("name").to_pylist())

    @cached_property
    def contents(self) -> tuple[str, ...]:
        """A digest of each sequence's pose, to find copies of it.

        A store of schema version 1 holds none; they are computed, once, which reads all poses.
        """
        if CONTENT in self._index.column_names:
            return tuple(self._index.column(CONTENT).to_pylist())
        return tuple(content_of(self._pose(i)) for i in range(len(self)))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the metadata columns."""
        return tuple(
            name.removeprefix(METADATA_PREFIX) for name in self._index.column_names if name.startswith(METADATA_PREFIX)
        )

    def column(self, name: str) -> npt.NDArray[Any] | None:
        """A metadata column (N,); None if no sequence has it.

        Whole numbers come as int64, or float64 with NaN where some are missing; text as objects with None.
        """
        if name not in self.columns:
            return None
        column = self._index.column(METADATA_PREFIX + name)
        if pa.types.is_null(column.type):
            return np.full(len(column), np.nan)
        return np.array(column.to_pylist(), object) if pa.types.is_string(column.type) else numbers_of(column)

    def metadata(self, i: int) -> dict[str, int | float | str]:
        """The metadata of sequence i, without what is not known of it."""
        values = {name: self._index.column(METADATA_PREFIX + name)[i].as_py() for name in self.columns}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def index(self) -> pa.Table:
        """The whole index as an Arrow table."""
        return self._index

    @cached_property
    def values(self) -> torch.Tensor:
        """All bytes of ``pose.arrow`` as float32 (bytes // 4,), memory-mapped and not copied; do not write to it."""
        import torch

        path = self.directory / POSE_FILE
        size = path.stat().st_size // 4
        return torch.from_file(str(path), shared=False, size=size, dtype=torch.float32)

    @cached_property
    def offsets(self) -> torch.Tensor:
        """Index into ``values`` at which each sequence starts, int64 (N,); each is stored as (T, M, J, C)."""
        import torch

        return torch.from_numpy(self._numbers("offset").copy())

    def pose(self, i: int) -> npt.NDArray[np.float32]:
        """Sequence i as a read-only view, float32 (T, M, J, C), metres; a missing joint is zeros.

        Raises ClosedTestSplitError for one that is closed.
        """
        if self.closed is not None and self.closed[i]:
            raise refuse_sequence(self.names[i], directory=self.directory)
        return self._pose(i)

    def check_open(self, indices: npt.NDArray[np.int64]) -> None:
        """Raises ClosedTestSplitError if one of the sequences ``indices`` (n,) is closed."""
        if self.closed is not None and self.closed[indices].any():
            first = int(indices[self.closed[indices]][0])
            raise refuse_sequence(self.names[first], directory=self.directory)

    def _pose(self, i: int) -> npt.NDArray[np.float32]:
        shape = (int(self.num_frames[i]), int(self.num_bodies[i]), len(self.layout.joints), self.coordinates)
        start = int(self._starts[i])
        return self._mapped[start : start + int(np.prod(shape))].reshape(shape)

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        return self._numbers("offset")

    @cached_property
    def _mapped(self) -> npt.NDArray[np.float32]:
        path = self.directory / POSE_FILE
        mapped: npt.NDArray[np.float32] = np.memmap(path, dtype=np.float32, mode="r", shape=(path.stat().st_size // 4,))
        return mapped.view(np.ndarray)

    def _numbers(self, name: str) -> npt.NDArray[np.int64]:
        return numbers_of(self._index.column(name))


def _reopened(directory: Path, closed: npt.NDArray[np.bool_] | None) -> Store:
    store = Store(directory)
    return store if closed is None else store.without(np.flatnonzero(closed))


def _read_header(directory: Path) -> dict[str, Any]:
    path = directory / HEADER_FILE
    if not path.is_file():
        raise DataError(
            Problem(file=directory, rule="a prepared dataset, a folder with store.json",
                    remedy="make one with `hico-platform data synth` or `hico-platform data prepare`")
        )  # fmt: skip
    try:
        header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = header["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise _torn(path, "a header in JSON", str(error)) from None
    if version not in _READABLE:
        raise DataError(
            Problem(file=path, field="schema_version", rule=f"a schema version from {_READABLE[0]} to {_READABLE[-1]}",
                    value=version, remedy="prepare the dataset again with this version")
        )  # fmt: skip
    if version == 1:  # all of its stores had three coordinates and, where normalised at all, the released normalisation
        header |= {
            "normalisation": Normalisation.RELEASED if header.get("normalised") else None,
            "missing_joint": MissingJoint.ZERO,
            "coordinates": COORDINATES,
        }
    if not isinstance(header.get("files"), dict):
        raise _torn(path, "a header that names the store's files", header.get("files"))
    for name in (POSE_FILE, INDEX_FILE):
        size = header["files"].get(name)
        actual = (directory / name).stat().st_size if (directory / name).is_file() else None
        if actual != size:
            raise _torn(directory / name, f"a file of {size} bytes", "no file" if actual is None else actual)
    return header


def _read_index(path: Path) -> pa.Table:
    try:
        with pa.memory_map(str(path)) as source:
            index = pa.ipc.open_file(source).read_all().combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise _torn(path, "an Arrow file", str(error)) from None
    missing = {"name", "label", "num_frames", "num_bodies", "offset"} - set(index.column_names)
    if missing:
        raise _torn(path, f"an index with the columns {', '.join(sorted(missing))}", index.column_names)
    return index


def _torn(path: Path, rule: str, value: object) -> DataError:
    return DataError(
        Problem(file=path, rule=rule, value=value,
                remedy="prepare the dataset again, or copy it again whole: this store is torn")
    )  # fmt: skip

"""The Arrow store: one format for every dataset, memory-mapped and shared between processes.

A store is a folder of three files:

- ``pose.arrow``: an Arrow IPC file of record batches, one list of float32 a sequence, laid out (T, M, J, C);
- ``index.arrow``: name, label (null where there is none), frames, bodies, offset in ``pose.arrow``, metadata columns;
- ``store.json``: schema version, layout, normalisation, class names, counts, digest, provenance, protocol hints. It is
  written last.

The writer fills a folder beside the target and renames it when it is complete, so there are no partial stores.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from collections.abc import Sequence as Items
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hico_platform.atomic_io import make_unique_folder, sync
from hico_platform.data.arrow_numpy import array_of_lists, array_of_numbers, numbers_of
from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import UNLABELLED, MissingJoint, Sequence
from hico_platform.data.store_index import CONTENT, METADATA_PREFIX, index_batch, joined_index, pose_offsets
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
MOST_BODIES = 2

_BATCH_VALUES = 8 * 2**20  # 32 MiB of float32 in a record batch, which limits the writer's memory
_POSE_SCHEMA = pa.schema([pa.field("pose", pa.large_list(pa.field("item", pa.float32(), nullable=False)))])


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

    def __reduce__(self) -> tuple[type[Store], tuple[Path]]:
        """Pickled as its path."""
        return type(self), (self.directory,)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class of each sequence, (N,); ``UNLABELLED`` for one without a label."""
        labels = self._numbers("label")
        if labels.dtype == np.float64:  # with NaN for null
            return np.where(np.isnan(labels), UNLABELLED, labels).astype(np.int64)
        return labels

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
    def contents(self) -> tuple[str, ...] | None:
        """A digest of each sequence's pose, to find copies of it; None in a store of schema version 1."""
        return tuple(self._index.column(CONTENT).to_pylist()) if CONTENT in self._index.column_names else None

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
        """Sequence i as a read-only view, float32 (T, M, J, C), metres; a missing joint is zeros."""
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


class StoreWriter:
    """Writes a store in one pass with bounded memory; a context manager.

    ``protocols`` are the store's own ones for ``hico_platform.data.split``: name to a plain rule, for example
    ``{"xview": {"train": {"camera": [2, 3]}}}``. Raises DataError if the target exists, a sequence breaks
    an invariant, or a name occurs twice. After an exception no files remain.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        dataset: str,
        layout: Layout,
        class_names: Items[str],
        provenance: Mapping[str, Any],
        normalisation: Normalisation | None,
        missing_joint: MissingJoint = MissingJoint.ZERO,
        coordinates: int = COORDINATES,
        protocols: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = Path(directory)
        refuse_existing(self.directory)
        self._header: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "dataset": dataset,
            "layout": layout.as_plain(),
            "class_names": list(class_names),
            "normalisation": normalisation,
            "missing_joint": missing_joint,
            "coordinates": coordinates,
            "provenance": dict(provenance),
            "protocols": dict(protocols or {}),
        }
        self._joints = len(layout.joints)
        self._coordinates = coordinates
        self._classes = len(class_names)
        self._names: set[str] = set()
        self._frames = 0
        self._pose_hash = hashlib.sha256()
        self._batches: list[pa.Table] = []
        self._pending: list[Sequence] = []
        self._pending_values = 0
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self._partial = make_unique_folder(self.directory.parent, prefix=f".{self.directory.name}.partial-")
        self._sink = pa.OSFile(str(self._partial / POSE_FILE), "wb")
        self._pose_writer = pa.ipc.new_file(self._sink, _POSE_SCHEMA)

    def __enter__(self) -> StoreWriter:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes the store, or removes its files after an exception."""
        if kind is None:
            try:
                self._finish()
            except BaseException:
                shutil.rmtree(self._partial, ignore_errors=True)
                raise
        else:
            self._sink.close()
            shutil.rmtree(self._partial, ignore_errors=True)

    def add(self, sequence: Sequence) -> None:
        """Appends a sequence. Raises DataError if it breaks an invariant of the store."""
        check_sequence(sequence, num_joints=self._joints, coordinates=self._coordinates, num_classes=self._classes)
        if sequence.name in self._names:
            raise DataError(
                Problem(field="name", rule="a name that no other sequence has", value=sequence.name,
                        remedy="rename or drop one of the two")
            )  # fmt: skip
        self._names.add(sequence.name)
        pose = np.ascontiguousarray(sequence.pose, dtype="<f4")
        self._pose_hash.update(pose.data)
        self._frames += len(pose)
        self._pending.append(sequence)
        self._pending_values += pose.size
        if self._pending_values >= _BATCH_VALUES:
            self._flush()

    def note(self, key: str, value: Any) -> None:
        """Adds a plain value to the provenance that is known only after the sequences were added."""
        self._header["provenance"][key] = value

    def _flush(self) -> None:
        if not self._pending:
            return
        sizes = [sequence.pose.size for sequence in self._pending]
        values = np.concatenate([sequence.pose.reshape(-1) for sequence in self._pending])
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        pose = array_of_lists(bounds, values, _POSE_SCHEMA.field(0).type)
        self._pose_writer.write_batch(pa.record_batch([pose], schema=_POSE_SCHEMA))
        self._batches.append(index_batch(self._pending))
        self._pending, self._pending_values = [], 0

    def _finish(self) -> None:
        self._flush()
        self._pose_writer.close()
        self._sink.close()
        index = joined_index(self._batches)
        index = index.append_column("offset", array_of_numbers(pose_offsets(self._partial / POSE_FILE)))
        with (
            pa.OSFile(str(self._partial / INDEX_FILE), "wb") as sink,
            pa.ipc.new_file(sink, index.schema) as writer,
        ):
            writer.write_table(index)
        self._header["counts"] = {"sequences": len(index), "frames": self._frames}
        self._header["digest"] = content_digest(self._header, index, self._pose_hash.digest())
        self._header["files"] = {name: (self._partial / name).stat().st_size for name in (POSE_FILE, INDEX_FILE)}
        (self._partial / HEADER_FILE).write_text(json.dumps(self._header, indent=1) + "\n", encoding="utf-8")
        for name in (POSE_FILE, INDEX_FILE, HEADER_FILE):
            sync(self._partial / name)
        refuse_existing(self.directory)
        self._partial.rename(self.directory)
        sync(self.directory.parent)


def check_sequence(sequence: Sequence, *, num_joints: int, coordinates: int, num_classes: int) -> None:
    """Raises DataError if the sequence does not fit a store with these numbers of joints, coordinates and classes."""
    pose, name = sequence.pose, sequence.name
    if (
        pose.dtype != np.float32
        or pose.ndim != 4
        or len(pose) == 0
        or not 1 <= pose.shape[1] <= MOST_BODIES
        or pose.shape[2:] != (num_joints, coordinates)
    ):
        raise DataError(
            Problem(field=f"{name}: pose", rule=f"float32 (T >= 1, M 1 or 2, J {num_joints}, C {coordinates})",
                    value=f"{pose.dtype} {pose.shape}", remedy="correct or leave out this recording")
        )  # fmt: skip
    if not np.isfinite(pose).all():
        raise DataError(
            Problem(field=f"{name}: pose", rule="a finite value for every coordinate",
                    remedy="mark a missing joint by zeros")
        )  # fmt: skip
    if sequence.label is not None and not 0 <= sequence.label < num_classes:
        raise DataError(
            Problem(field=f"{name}: label", rule=f"a class, 0 to {num_classes - 1}", value=sequence.label,
                    remedy="name every class, or correct the label")
        )  # fmt: skip


def content_digest(header: Mapping[str, Any], index: pa.Table, pose_digest: bytes) -> str:
    """Sha256 over a store's layout, classes, protocols, every index column and the digest of the poses.

    Positions of sequences in the file are not included, so the digest does not depend on the record batches.
    """
    digest = hashlib.sha256()
    keys = ["schema_version", "dataset", "layout", "class_names", "protocols"]
    keys += ["normalised"] if header["schema_version"] == 1 else ["normalisation", "missing_joint", "coordinates"]
    digest.update(json.dumps({key: header[key] for key in keys}, sort_keys=True).encode())
    for name in sorted(set(index.column_names) - {"offset"}):
        digest.update(json.dumps([name, index.column(name).to_pylist()]).encode())
    digest.update(pose_digest)
    return digest.hexdigest()


def refuse_existing(directory: Path) -> None:
    """Raises DataError if the path exists, except for an empty folder."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise DataError(
            Problem(file=directory, rule="a new or empty folder: a store is never written over another",
                    remedy="name another folder, or remove this one")
        )  # fmt: skip


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

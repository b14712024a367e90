"""Writes a store in one pass, and says what a store may hold.

The writer fills a folder beside the target and renames it when it is complete, so there are no partial stores.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from collections.abc import Sequence as Items
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from hico_platform.atomic_io import make_unique_folder, sync
from hico_platform.data.arrow_numpy import array_of_lists, array_of_numbers
from hico_platform.data.layout import Layout
from hico_platform.data.normalise import Normalisation
from hico_platform.data.sequence import MissingJoint, Sequence
from hico_platform.data.store import COORDINATES, HEADER_FILE, INDEX_FILE, POSE_FILE, SCHEMA_VERSION
from hico_platform.data.store_index import index_batch, joined_index, pose_offsets
from hico_platform.errors import DataError, Problem

MOST_BODIES = 2

_BATCH_VALUES = 8 * 2**20  # 32 MiB of float32 in a record batch, which limits the writer's memory
_POSE_SCHEMA = pa.schema([pa.field("pose", pa.large_list(pa.field("item", pa.float32(), nullable=False)))])


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

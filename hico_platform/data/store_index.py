"""The index of a store, with one row of metadata a sequence, and the offsets of sequences in the pose file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence as Items
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hico_platform.data.arrow_numpy import array_of, numbers_of
from hico_platform.data.sequence import Sequence

METADATA_PREFIX = "metadata."
CONTENT = "content"
"""Column: a digest of the pose, by which copies of a recording are found in other stores."""


def index_batch(sequences: Items[Sequence]) -> pa.Table:
    """The index rows of some sequences; a metadata column has the widest type of its values."""
    columns: dict[str, Any] = {
        "name": array_of([s.name for s in sequences], str),
        "label": array_of([s.label for s in sequences], int),
        "num_frames": array_of([s.pose.shape[0] for s in sequences], int),
        "num_bodies": array_of([s.pose.shape[1] for s in sequences], int),
        CONTENT: array_of([content_of(s.pose) for s in sequences], str),
    }
    for key in dict.fromkeys(key for s in sequences for key in s.metadata):
        values = [s.metadata.get(key) for s in sequences]
        present = [value for value in values if value is not None]
        if not present:
            columns[METADATA_PREFIX + key] = pa.nulls(len(values))
        elif any(isinstance(value, str) for value in present):
            columns[METADATA_PREFIX + key] = array_of(values, str)
        else:
            whole = all(isinstance(value, int | np.integer) for value in present)
            columns[METADATA_PREFIX + key] = array_of(values, int if whole else float)
    return pa.table(columns)


def content_of(pose: npt.NDArray[np.float32]) -> str:
    """A digest of (T, M, J, C), 32 hexadecimal digits."""
    digest = hashlib.blake2b(repr(pose.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pose, dtype="<f4").data)
    return digest.hexdigest()


def joined_index(batches: Items[pa.Table]) -> pa.Table:
    """All index batches as one table; a metadata column has the widest of its types in the batches."""
    if not batches:
        return index_batch([])
    types: dict[str, set[Any]] = {}
    for batch in batches:
        for column in batch.schema:
            types.setdefault(column.name, set()).add(column.type)
    widest = {
        name: next((t for t in (pa.string(), pa.float64(), pa.int64()) if t in seen), pa.null())
        for name, seen in types.items()
    }
    batches = [batch.cast(pa.schema([(name, widest[name]) for name in batch.column_names])) for batch in batches]
    return pa.concat_tables(batches, promote_options="default").combine_chunks()


def pose_offsets(path: Path) -> npt.NDArray[np.int64]:
    """Offset of each sequence's values from the start of the file, in float32 values, int64 (N,)."""
    with pa.memory_map(str(path)) as source:
        whole = source.read_buffer()
        reader = pa.ipc.open_file(pa.BufferReader(whole))
        starts = [np.zeros(0, np.int64)]
        for i in range(reader.num_record_batches):
            pose = reader.get_batch(i).column(0)
            start = pose.values.buffers()[1].address - whole.address
            starts.append(start // 4 + numbers_of(pose.offsets)[:-1])
    return np.concatenate(starts)

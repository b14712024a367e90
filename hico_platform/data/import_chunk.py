"""What a worker read, on disk: a file of outcomes in order, written atomically, so that an import can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hico_platform.data.sequence import Sequence
from hico_platform.data.store import sync
from hico_platform.errors import Problem

_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("label", pa.int64()),
        ("shape", pa.list_(pa.int64())),
        ("metadata", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("problem", pa.string()),
        ("pose", pa.large_list(pa.float32())),
    ]
)
_BATCH_VALUES = 4 * 2**20  # 16 MiB of pose bounds a worker's memory


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A sequence ready for the store, or what kept it out, with the place it came from."""

    file: str
    line: int | None
    found: Sequence | Problem


def write_chunk(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write outcomes to ``path``, which appears when it is whole."""
    beside = path.with_suffix(f".{os.getpid()}.partial")
    with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
        pending: list[dict[str, Any]] = []
        values = 0
        for outcome in outcomes:
            row = _row(outcome)
            pending.append(row)
            values += 0 if row["pose"] is None else row["pose"].size
            if values >= _BATCH_VALUES:
                writer.write_batch(pa.RecordBatch.from_pylist(pending, schema=_SCHEMA))
                pending, values = [], 0
        if pending:
            writer.write_batch(pa.RecordBatch.from_pylist(pending, schema=_SCHEMA))
    sync(beside)
    beside.replace(path)


def read_chunk(path: Path) -> Iterator[Outcome]:
    """The outcomes of a chunk, in their order."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            columns = [batch.column(name).to_pylist() for name in _SCHEMA.names[:-1]]
            for row, cells in enumerate(zip(*columns, strict=True)):
                name, label, shape, metadata, file, line, problem = cells
                found: Sequence | Problem
                if problem is not None:
                    found = Problem(**json.loads(problem))
                else:
                    pose = batch.column("pose")[row].values.to_numpy().reshape(shape)
                    found = Sequence(name=name, label=label, pose=pose, metadata=json.loads(metadata))
                yield Outcome(file=file, line=line, found=found)


def _row(outcome: Outcome) -> dict[str, Any]:
    found = outcome.found
    row: dict[str, Any] = dict.fromkeys(_SCHEMA.names)
    row |= {"file": outcome.file, "line": outcome.line}
    if isinstance(found, Problem):
        said = asdict(found)
        return row | {"problem": json.dumps(said | {"file": found.file and str(found.file)}, default=str)}
    pose = np.ascontiguousarray(found.pose)
    return row | {
        "name": found.name,
        "label": found.label,
        "shape": list(pose.shape),
        "metadata": json.dumps(dict(found.metadata)),
        "pose": pose.reshape(-1),
    }

"""Files of what import workers read, in order and written atomically, so that an import can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from hico_platform.atomic_io import sync
from hico_platform.data.arrow_numpy import array_of, array_of_lists, numbers_of
from hico_platform.data.body import Body
from hico_platform.data.sequence import Sequence
from hico_platform.errors import Problem

_POSE = pa.large_list(pa.float32())
_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("found", pa.string()),  # JSON: a problem, or a sequence without its pose
        ("bodies", pa.string()),  # JSON: its body by name of a layout
        ("pose", _POSE),
    ]
)
_BATCH_VALUES = 4 * 2**20  # 16 MiB of poses, which limits a worker's memory


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A sequence ready for the store, or the problem that excludes it, with its source file and line."""

    file: str
    line: int | None
    found: Sequence | Problem
    bodies: Mapping[str, Body] = field(default_factory=dict)
    """The body of the raw pose, by name of a layout; empty where it was not measured."""


def write_chunk(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Writes outcomes to ``path`` atomically."""
    temporary = path.with_suffix(f".{os.getpid()}.partial")
    try:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
            pending: list[Outcome] = []
            values = 0
            for outcome in outcomes:
                pending.append(outcome)
                values += outcome.found.pose.size if isinstance(outcome.found, Sequence) else 0
                if values >= _BATCH_VALUES:
                    writer.write_batch(_batch(pending))
                    pending, values = [], 0
            if pending:
                writer.write_batch(_batch(pending))
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_chunk(path: Path) -> Iterator[Outcome]:
    """The outcomes of a chunk in order; only one batch at a time is in memory."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            columns = (batch.column(name).to_pylist() for name in ("file", "line", "found", "bodies"))
            pose = batch.column("pose")
            values, bounds = numbers_of(pose.values), numbers_of(pose.offsets).tolist()
            for i, (file, line, text, measured) in enumerate(zip(*columns, strict=True)):
                found = _found(json.loads(text), values[bounds[i] : bounds[i + 1]])
                bodies = {name: Body(**body) for name, body in json.loads(measured).items()}
                yield Outcome(file=file, line=line, found=found, bodies=bodies)


def _batch(outcomes: list[Outcome]) -> pa.RecordBatch:
    poses = [
        outcome.found.pose.reshape(-1) if isinstance(outcome.found, Sequence) else np.zeros(0, np.float32)
        for outcome in outcomes
    ]
    bounds = np.concatenate([[0], np.cumsum([*map(len, poses)])]).astype(np.int64)
    columns = [
        array_of([outcome.file for outcome in outcomes], str),
        array_of([outcome.line for outcome in outcomes], int),
        array_of([_as_json(outcome.found) for outcome in outcomes], str),
        array_of([json.dumps(outcome.bodies, default=asdict) for outcome in outcomes], str),
        array_of_lists(bounds, np.concatenate(poses), _POSE),
    ]
    return pa.record_batch(columns, schema=_SCHEMA)


def _as_json(found: Sequence | Problem) -> str:
    if isinstance(found, Problem):
        problem = asdict(found) | {"file": found.file and str(found.file)}
        return json.dumps({"problem": problem}, default=str)
    return json.dumps(
        {"name": found.name, "label": found.label, "shape": found.pose.shape, "metadata": dict(found.metadata),
         "remarks": dict(found.remarks)}
    )  # fmt: skip


def _found(recorded: dict[str, object], values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Sequence | Problem:
    match recorded:
        case {"problem": dict(problem)}:
            return Problem(**problem)
        case {"name": str(name), "label": int() | None as label, "shape": list(shape), "metadata": dict(metadata),
              "remarks": dict(remarks)}:  # fmt: skip
            pose = values.reshape(shape)
            return Sequence(name=name, label=label, pose=pose, metadata=metadata, remarks=remarks)
    raise ValueError(f"no outcome of an import: {recorded}")

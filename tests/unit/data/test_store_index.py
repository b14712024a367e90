from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hico_platform.data.sequence import Sequence
from hico_platform.data.store import POSE_FILE
from hico_platform.data.store_index import CONTENT, content_of, index_batch, joined_index, pose_offsets
from tests.small import small_store


def sequence(number: int, **metadata: Any) -> Sequence:
    pose = np.full((number + 2, 1 + number % 2, 5, 3), number, np.float32)
    return Sequence(name=f"s{number}", label=number, pose=pose, metadata=metadata)


def test_a_row_has_name_label_sizes_and_digest() -> None:
    table = index_batch([sequence(0), sequence(1)])
    assert table.select(["name", "label", "num_frames", "num_bodies"]).to_pylist() == [
        {"name": "s0", "label": 0, "num_frames": 2, "num_bodies": 1},
        {"name": "s1", "label": 1, "num_frames": 3, "num_bodies": 2},
    ]
    assert table.column(CONTENT).to_pylist() == [content_of(sequence(number).pose) for number in (0, 1)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((1, 2), pa.int64()),
        ((1, 2.5), pa.float64()),
        ((1, None), pa.int64()),
        ((np.int64(1), 2), pa.int64()),
        (("a", None), pa.string()),
        ((None, None), pa.null()),
    ],
)
def test_a_column_has_the_widest_type_of_its_values(values: tuple[Any, Any], kind: pa.DataType) -> None:
    column = index_batch([sequence(number, x=value) for number, value in enumerate(values)]).column("metadata.x")
    assert column.type == kind
    assert column.to_pylist() == list(values)


def test_batches_are_joined_by_the_widest_type_and_a_missing_column_is_empty() -> None:
    batches = [
        index_batch([sequence(0, x=1, only="a", never=None)]),
        index_batch([sequence(1, x=2.5, y=None)]),
        index_batch([sequence(2, x=None, y=3)]),
    ]
    joined = joined_index(batches)
    assert {name: joined.schema.field(f"metadata.{name}").type for name in ("x", "only", "never", "y")} == {
        "x": pa.float64(),
        "only": pa.string(),
        "never": pa.null(),
        "y": pa.int64(),
    }
    assert joined.column("name").to_pylist() == ["s0", "s1", "s2"]
    assert joined.column("metadata.x").to_pylist() == [1.0, 2.5, None]
    assert joined.column("metadata.only").to_pylist() == ["a", None, None]
    assert joined_index([]).num_rows == 0


def test_the_digest_is_of_shape_and_values_and_never_changes() -> None:
    pose = np.arange(30, dtype=np.float32).reshape(1, 2, 5, 3)
    assert content_of(pose) == "46e4808d0d233e6fdabf53f14fe60c8d"
    assert content_of(pose) == content_of(np.asfortranarray(pose).astype(">f4"))
    assert content_of(pose) != content_of(pose.reshape(2, 1, 5, 3))
    assert content_of(pose) != content_of(pose + (pose == 29))


def test_offsets_lead_to_the_poses(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=9)
    content = (tmp_path / "store" / POSE_FILE).read_bytes()
    values = np.frombuffer(content[: len(content) // 4 * 4], "<f4")
    offsets = pose_offsets(tmp_path / "store" / POSE_FILE)
    assert len(offsets) == 9
    for number, offset in enumerate(offsets):
        pose = store.pose(number)
        np.testing.assert_array_equal(values[offset : offset + pose.size], pose.reshape(-1))

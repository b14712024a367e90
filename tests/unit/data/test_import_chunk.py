from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hico_platform.data import import_chunk
from hico_platform.data.import_chunk import Outcome, read_chunk, write_chunk
from hico_platform.data.sequence import Sequence
from hico_platform.errors import Problem


def sequence(number: int, *, label: int | None = 0) -> Sequence:
    pose = np.random.default_rng(number).normal(size=(3 + number, 1 + number % 2, 5, 3)).astype(np.float32)
    pose[0, 0, 0] = np.nan
    return Sequence(
        name=f"é{number}",
        label=label,
        pose=pose,
        metadata={"subject": number, "speed": 0.5, "room": "a", "camera": None},
        remarks={"joints repaired": number},
    )


OUTCOMES = [
    Outcome(file="a", line=None, found=sequence(0)),
    Outcome(file="b", line=7, found=sequence(1, label=None)),
    Outcome(file="c", line=None, found=Problem(file=Path("/c"), line=3, field="x", rule="r", value=1.5, remedy="m")),
    Outcome(file="d", line=2, found=Problem(rule="r", remedy=None)),
    Outcome(file="e", line=None, found=sequence(4)),
]


def same(one: Outcome, other: Outcome) -> None:
    assert (one.file, one.line) == (other.file, other.line)
    if isinstance(one.found, Problem):
        assert isinstance(other.found, Problem)
        assert str(one.found) == str(other.found)
        return
    assert isinstance(other.found, Sequence)
    assert other.found.pose.dtype == np.float32
    np.testing.assert_array_equal(one.found.pose, other.found.pose)
    for name in ("name", "label", "metadata", "remarks"):
        assert getattr(one.found, name) == getattr(other.found, name)


@pytest.mark.parametrize("values", [1, 100, 4 * 2**20])
def test_outcomes_come_back_in_order_whatever_the_batches(
    tmp_path: Path, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_chunk, "_BATCH_VALUES", values)
    write_chunk(tmp_path / "0.arrow", iter(OUTCOMES))
    found = list(read_chunk(tmp_path / "0.arrow"))
    assert len(found) == len(OUTCOMES)
    for one, other in zip(OUTCOMES, found, strict=True):
        same(one, other)
    with pa.OSFile(str(tmp_path / "0.arrow")) as source, pa.ipc.open_stream(source) as reader:
        assert len(list(reader)) == {1: 3, 100: 2}.get(values, 1)


def test_a_chunk_of_nothing(tmp_path: Path) -> None:
    write_chunk(tmp_path / "0.arrow", [])
    assert list(read_chunk(tmp_path / "0.arrow")) == []


def test_a_chunk_that_was_cut_off_is_none_and_leaves_the_one_before(tmp_path: Path) -> None:
    def broken() -> Iterator[Outcome]:
        yield OUTCOMES[0]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_chunk(tmp_path / "0.arrow", broken())
    assert list(tmp_path.iterdir()) == []
    write_chunk(tmp_path / "0.arrow", OUTCOMES[:1])
    with pytest.raises(RuntimeError, match="killed"):
        write_chunk(tmp_path / "0.arrow", broken())
    assert [outcome.file for outcome in read_chunk(tmp_path / "0.arrow")] == ["a"]
    assert len(list(tmp_path.iterdir())) == 1

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data import store_writer as module
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.sequence import Sequence
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter
from hico_platform.errors import DataError


def writer(folder: Path, **more: Any) -> StoreWriter:
    return StoreWriter(folder, dataset="x", layout=KINECT_V2, class_names=["sit", "walk"], provenance={"by": "a test"},
                       normalisation=None, **more)  # fmt: skip


def sequence(name: str = "a", **more: Any) -> Sequence:
    given = {"label": 1, "pose": np.full((3, 1, 25, 3), len(name), np.float32), "metadata": {}} | more
    return Sequence(name=name, **given)


def write(folder: Path, *sequences: Sequence) -> None:
    with writer(folder) as store:
        for each in sequences:
            store.add(each)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pose": np.zeros((3, 1, 25, 3))}, r"a: pose: expected float32 .*, got 'float64 \(3, 1, 25, 3\)'"),
        ({"pose": np.zeros((0, 1, 25, 3), np.float32)}, r"a: pose: expected float32 \(T >= 1"),
        ({"pose": np.zeros((3, 0, 25, 3), np.float32)}, "a: pose: expected .* M 1 or 2"),
        ({"pose": np.zeros((3, 3, 25, 3), np.float32)}, "a: pose: expected .* M 1 or 2"),
        ({"pose": np.zeros((3, 1, 24, 3), np.float32)}, "a: pose: expected .* J 25"),
        ({"pose": np.zeros((3, 1, 25, 2), np.float32)}, "a: pose: expected .* C 3"),
        ({"pose": np.full((3, 1, 25, 3), np.nan, np.float32)}, "a: pose: expected a finite value"),
        ({"pose": np.full((3, 1, 25, 3), np.inf, np.float32)}, "a: pose: expected a finite value"),
        ({"label": 2}, "a: label: expected a class, 0 to 1, got 2"),
        ({"label": -1}, "a: label: expected a class, 0 to 1, got -1"),
    ],
)
def test_what_a_store_cannot_hold_is_named_and_no_file_remains(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write(tmp_path / "store", sequence("good"), sequence(**wrong))
    assert not list(tmp_path.iterdir())


def test_a_name_comes_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name: expected a name that no other sequence has, got 'a'"):
        write(tmp_path / "store", sequence(), sequence())
    assert not list(tmp_path.iterdir())


def test_a_store_does_not_depend_on_how_it_was_cut_into_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for most in (1, 300, 10**6):
        monkeypatch.setattr(module, "_BATCH_VALUES", most)
        with writer(tmp_path / str(most)) as made:
            for name in ("a", "bb", "ccc"):
                made.add(sequence(name, label=None if name == "bb" else 0))
            made.note("known", "afterwards")
        store = Store.open(tmp_path / str(most))
        assert [float(store.pose(i)[0, 0, 0, 0]) for i in range(3)] == [1, 2, 3]
        assert store.labels.tolist() == [0, -1, 0]
        digests.append(store.digest)
        header = json.loads((tmp_path / str(most) / module.HEADER_FILE).read_text())
        assert header["provenance"] == {"by": "a test", "known": "afterwards"}
        assert header["counts"] == {"sequences": 3, "frames": 9}
    assert len(set(digests)) == 1


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with writer(tmp_path / "empty") as store:
        store.add(sequence())
    with pytest.raises(DataError, match="a store is never written over another"):
        writer(tmp_path / "empty")
    late = writer(tmp_path / "late")
    late.add(sequence())
    (tmp_path / "late").write_text("somebody was faster")
    with pytest.raises(DataError, match="a store is never written over another"):
        late.__exit__(None, None, None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty", "late"]

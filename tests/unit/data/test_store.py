from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.sequence import Metadata, Sequence
from hico_platform.data.store import Store, StoreWriter
from hico_platform.errors import DataError


def sequences(count: int, seed: int = 0) -> list[Sequence]:
    rng = np.random.default_rng(seed)
    return [
        Sequence(
            name=f"sequence-{i}",
            label=i % 3,
            pose=rng.standard_normal((5 + i % 7, 1 + i % 2, 25, 3)).astype(np.float32),
            metadata={
                "subject": i % 5,
                "camera": None if i % 2 else 1,
                "condition": "healthy",
                "height_m": 1.5,
            },
        )
        for i in range(count)
    ]


def write(directory: Path, items: list[Sequence]) -> Store:
    with StoreWriter(
        directory,
        dataset="toy",
        layout=KINECT_V2,
        class_names=("a", "b", "c"),
        provenance={"source": "test"},
        normalised=False,
        protocols={"xview": {"train": {"camera": [1]}}},
    ) as writer:
        for sequence in items:
            writer.add(sequence)
    return Store.open(directory)


def test_a_store_gives_back_what_was_written(tmp_path: Path) -> None:
    items = sequences(40)
    store = write(tmp_path / "store", items)
    assert len(store) == 40
    assert (store.dataset, store.class_names, store.layout) == ("toy", ("a", "b", "c"), KINECT_V2)
    assert store.names == tuple(sequence.name for sequence in items)
    assert store.protocols == {"xview": {"train": {"camera": [1]}}}
    for i, sequence in enumerate(items):
        assert store.labels[i] == sequence.label
        np.testing.assert_array_equal(store.pose(i), sequence.pose)
        assert not store.pose(i).flags.writeable


def test_values_and_offsets_address_every_sequence_across_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hico_platform.data.store._BATCH_VALUES", 4000)
    items = sequences(40)
    store = write(tmp_path / "store", items)
    for sequence, offset in zip(items, store.offsets.tolist(), strict=True):
        got = store.values[offset : offset + sequence.pose.size].reshape(sequence.pose.shape)
        np.testing.assert_array_equal(got.numpy(), sequence.pose)


def test_metadata_columns_keep_their_types(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(4))
    assert store.columns == ("subject", "camera", "condition", "height_m")
    subject, camera, condition = (store.column(name) for name in ("subject", "camera", "condition"))
    assert subject is not None
    assert camera is not None
    assert condition is not None
    assert subject.dtype == np.int64
    np.testing.assert_array_equal(camera, [1, np.nan, 1, np.nan])
    assert condition.tolist() == ["healthy"] * 4
    assert store.column("weight") is None


def test_a_column_takes_the_widest_type_of_its_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hico_platform.data.store._BATCH_VALUES", 1)
    pose = np.ones((2, 1, 25, 3), np.float32)
    values: list[Metadata] = [{"a": 1, "b": 1}, {"a": 2.5}, {"a": None, "b": "two"}]
    store = write(
        tmp_path / "store",
        [Sequence(name=str(i), label=0, pose=pose, metadata=v) for i, v in enumerate(values)],
    )
    a, b = store.column("a"), store.column("b")
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a, [1.0, 2.5, np.nan])
    assert b.tolist() == ["1", None, "two"]


def test_the_digest_follows_the_content_not_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = write(tmp_path / "one", sequences(20))
    monkeypatch.setattr("hico_platform.data.store._BATCH_VALUES", 4000)
    two = write(tmp_path / "two", sequences(20))
    other = write(tmp_path / "other", sequences(20, seed=1))
    assert one.digest == two.digest != other.digest


def test_a_store_travels_by_its_path(tmp_path: Path) -> None:
    store = write(tmp_path / "store", sequences(3))
    assert len(pickle.dumps(store)) < 500
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).pose(2), store.pose(2))


def test_an_empty_store_opens(tmp_path: Path) -> None:
    store = write(tmp_path / "store", [])
    assert len(store) == 0
    assert store.offsets.shape == (0,)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"pose": np.ones((2, 1, 24, 3), np.float32)}, r"pose: is float32 \(T >= 1, M 1 or 2, J 25, C 3\)"),
        ({"pose": np.ones((2, 3, 25, 3), np.float32)}, "pose: is float32"),
        ({"pose": np.ones((0, 1, 25, 3), np.float32)}, "pose: is float32"),
        ({"pose": np.ones((2, 1, 25, 3))}, "pose: is float32"),
        ({"pose": np.full((2, 1, 25, 3), np.nan, np.float32)}, "pose: is finite"),
        ({"label": 3}, "label: is 0 to 2; got 3"),
        ({"label": -1}, "label: is 0 to 2; got -1"),
        ({"name": "sequence-0"}, "a sequence's name comes once; got 'sequence-0'"),
    ],
)
def test_a_sequence_that_breaks_an_invariant_is_refused(tmp_path: Path, change: dict[str, object], rule: str) -> None:
    plain = {"name": "x", "label": 0, "pose": np.ones((2, 1, 25, 3), np.float32)}
    with pytest.raises(DataError, match=rule):
        write(tmp_path / "store", [*sequences(1), Sequence(**{**plain, **change})])  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write(tmp_path / "store", sequences(1))
    with pytest.raises(DataError, match="never over another; name another folder"):
        write(tmp_path / "store", sequences(2))
    assert len(Store.open(tmp_path / "store")) == 1


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _set(path: Path, key: str, value: object) -> None:
    header = json.loads(path.read_text())
    if value is None:
        del header[key]
    else:
        header[key] = value
    path.write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda d: (d / "store.json").unlink(),
            "is no prepared dataset: it has no store.json; make one with",
        ),
        (lambda d: (d / "pose.arrow").unlink(), "the store is torn: this file is missing"),
        (lambda d: _cut(d / "pose.arrow"), "the store is torn: this file has .* bytes instead of"),
        (lambda d: _zero(d / "index.arrow"), "the store is torn: this file cannot be read"),
        (lambda d: _set(d / "store.json", "files", None), "the store is torn: this file does not name its files"),
        (lambda d: _set(d / "store.json", "counts", {"sequences": 9}), "another number of sequences than store.json"),
        (lambda d: _set(d / "store.json", "layout", {}), "cannot be understood .layout.centre: is missing"),
        (lambda d: _cut(d / "store.json"), "the store is torn: this file cannot be read"),
        (
            lambda d: _set(d / "store.json", "digest", None),
            "the store is torn: this file cannot be understood .'digest'.",
        ),
        (
            lambda d: _set(d / "store.json", "schema_version", 99),
            "schema_version: this version reads 1; got 99; prepare the dataset again",
        ),
    ],
)
def test_a_store_that_is_not_whole_is_named(tmp_path: Path, harm: Callable[[Path], object], message: str) -> None:
    write(tmp_path / "store", sequences(3))
    harm(tmp_path / "store")
    with pytest.raises(DataError, match=message):
        Store.open(tmp_path / "store")

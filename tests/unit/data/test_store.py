from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.sequence import Metadata, Sequence
from hico_platform.data.store import Store
from hico_platform.data.store_writer import StoreWriter, content_digest
from hico_platform.data.verify import verify
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
        normalisation=None,
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
    monkeypatch.setattr("hico_platform.data.store_writer._BATCH_VALUES", 4000)
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
    monkeypatch.setattr("hico_platform.data.store_writer._BATCH_VALUES", 1)
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
    monkeypatch.setattr("hico_platform.data.store_writer._BATCH_VALUES", 4000)
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
        ({"pose": np.ones((2, 1, 24, 3), np.float32)}, r"pose: expected float32 \(T >= 1, M 1 or 2, J 25, C 3\)"),
        ({"pose": np.ones((2, 3, 25, 3), np.float32)}, "pose: expected float32"),
        ({"pose": np.ones((0, 1, 25, 3), np.float32)}, "pose: expected float32"),
        ({"pose": np.ones((2, 1, 25, 3))}, "pose: expected float32"),
        ({"pose": np.full((2, 1, 25, 3), np.nan, np.float32)}, "pose: expected a finite value for every coordinate"),
        ({"label": 3}, "label: expected a class, 0 to 2, got 3"),
        ({"label": -1}, "label: expected a class, 0 to 2, got -1"),
        ({"name": "sequence-0"}, "a name that no other sequence has, got 'sequence-0'"),
    ],
)
def test_a_sequence_that_breaks_an_invariant_is_refused(tmp_path: Path, change: dict[str, object], rule: str) -> None:
    plain = {"name": "x", "label": 0, "pose": np.ones((2, 1, 25, 3), np.float32)}
    with pytest.raises(DataError, match=rule):
        write(tmp_path / "store", [*sequences(1), Sequence(**{**plain, **change})])  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write(tmp_path / "store", sequences(1))
    with pytest.raises(DataError, match="never written over another; name another folder"):
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
            "a prepared dataset, a folder with store.json; make one with",
        ),
        (lambda d: (d / "pose.arrow").unlink(), "expected a file of .* bytes, got 'no file'; .*: this store is torn"),
        (lambda d: _cut(d / "pose.arrow"), "expected a file of .* bytes, got .*: this store is torn"),
        (lambda d: _zero(d / "index.arrow"), "expected an Arrow file, got .*: this store is torn"),
        (
            lambda d: _set(d / "store.json", "files", None),
            "expected a header that names the store's files; .*: this store is torn",
        ),
        (
            lambda d: _set(d / "store.json", "counts", {"sequences": 9}),
            "expected an index of 9 sequences, got .*: this store is torn",
        ),
        (
            lambda d: _set(d / "store.json", "layout", {}),
            "expected a whole header, got .layout.centre: expected a value for this key",
        ),
        (lambda d: _cut(d / "store.json"), "expected a header in JSON, got .*: this store is torn"),
        (
            lambda d: _set(d / "store.json", "digest", None),
            "expected a whole header, got .*'digest'.*: this store is torn",
        ),
        (
            lambda d: _set(d / "store.json", "schema_version", 99),
            "schema_version: expected a schema version from 1 to 2, got 99; prepare the dataset again",
        ),
    ],
)
def test_a_store_that_is_not_whole_is_named(tmp_path: Path, harm: Callable[[Path], object], message: str) -> None:
    write(tmp_path / "store", sequences(3))
    harm(tmp_path / "store")
    with pytest.raises(DataError, match=message):
        Store.open(tmp_path / "store")


def test_a_store_of_schema_version_1_is_read(tmp_path: Path) -> None:
    """Its header said ``normalised``, and its digest covers that word instead of the keys that follow it."""
    store = write(tmp_path / "store", sequences(3))
    path = tmp_path / "store" / "store.json"
    header = json.loads(path.read_text())
    for key in ("normalisation", "missing_joint", "coordinates"):
        del header[key]
    header |= {"schema_version": 1, "normalised": True}
    header["digest"] = content_digest(
        header, store.index, hashlib.sha256(b"".join(s.pose for s in sequences(3))).digest()
    )
    path.write_text(json.dumps(header))
    old = Store.open(tmp_path / "store")
    assert (old.normalisation, old.missing_joint, old.coordinates) == ("released", "zero", 3)
    assert old.digest != store.digest
    assert verify(old) == []


def without_labels(items: list[Sequence], *, of: slice = slice(None)) -> list[Sequence]:
    gone = set(range(len(items))[of])
    return [replace(item, label=None) if i in gone else item for i, item in enumerate(items)]


@pytest.mark.parametrize("batch_values", [2**23, 1])
def test_a_sequence_may_have_no_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_values: int) -> None:
    monkeypatch.setattr("hico_platform.data.store_writer._BATCH_VALUES", batch_values)
    store = write(tmp_path / "store", without_labels(sequences(6), of=slice(3, 5)))
    assert store.labels.dtype == np.int64
    assert store.labels.tolist() == [0, 1, 2, -1, -1, 2]
    assert store.labelled.tolist() == [True, True, True, False, False, True]
    assert store.index.column("label").to_pylist() == [0, 1, 2, None, None, 2]
    assert verify(store) == []


def test_a_store_may_have_no_labels_at_all(tmp_path: Path) -> None:
    store = write(tmp_path / "store", without_labels(sequences(6)))
    assert store.labels.tolist() == [-1] * 6
    assert not store.labelled.any()
    assert verify(store) == []


def test_the_digest_of_a_labelled_store_is_as_before(tmp_path: Path) -> None:
    """Written down before a label could be absent; stores and homes of older versions record such digests."""
    store = write(tmp_path / "store", sequences(3))
    header = json.loads((tmp_path / "store" / "store.json").read_text()) | {"schema_version": 1, "normalised": True}
    pose = hashlib.sha256(b"".join(s.pose for s in sequences(3))).digest()
    before = "e4da82acbe70d797e35fcabe892fad561aeb2258e760e4388ad3a8bd8e4541e2"
    index = store.index.drop_columns(["content"])  # which those versions did not write
    assert content_digest(header, index, pose) == before
    some = write(tmp_path / "some", without_labels(sequences(3), of=slice(1)))
    assert content_digest(header, some.index, pose) != before

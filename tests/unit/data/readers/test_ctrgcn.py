from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import normalise
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.readers.padded import shown_bodies
from hico_platform.data.sequence import nan_where_zero
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.errors import DataError
from tests.unit.data.readers.archives import poses, prepare


def ctrgcn_arrays(count: int = 10) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for part, seed in (("train", 0), ("test", 1)):
        x = np.zeros((count, 300, 150), np.float32)
        for row, pose in zip(x, poses(count, seed=seed), strict=True):
            row[: len(pose)] = pose.reshape(len(pose), 150)
        arrays |= {f"x_{part}": x, f"y_{part}": np.eye(6)[np.arange(count) % 6]}
    return arrays


def save_archive(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # the stubs take a name for allow_pickle


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_ctrgcn(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "NTU60_CS.npz", **ctrgcn_arrays())
    store, report = prepare(tmp_path / "NTU60_CS.npz", tmp_path / "out", "ctrgcn")
    assert (report.kept, store.dataset, len(store.class_names)) == (20, "NTU60_CS", 6)
    assert store.names[:2] == ("train-000000", "train-000001")
    for i, pose in enumerate(poses(10)):
        np.testing.assert_array_equal(store.pose(i), normalise(nan_where_zero(shown_bodies(pose)), KINECT_V2).pose)
    split = split_store(store, "given")
    assert (len(split.train_and_val), len(split.open_test(Purpose.COUNTS)), split.val_by) == (10, 10, "sequence")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("labels", [np.arange(10) % 6, (np.arange(10) % 6)[:, None], np.arange(10.0) % 6])
def test_ctrgcn_labels_that_are_numbers_of_classes(tmp_path: Path, save: Any, labels: np.ndarray) -> None:
    save(tmp_path / "a.npz", **ctrgcn_arrays() | {"y_train": labels, "y_test": labels[::-1]})
    store, report = prepare(tmp_path / "a.npz", tmp_path / "out", "ctrgcn")
    assert (report.kept, len(store.class_names)) == (20, 6)
    assert store.labels.tolist() == [*labels.reshape(-1), *labels[::-1].reshape(-1)]
    labels = labels.copy()
    labels[3] = -1
    save(tmp_path / "b.npz", **ctrgcn_arrays() | {"y_train": labels, "y_test": labels})
    _, report = prepare(tmp_path / "b.npz", tmp_path / "other", "ctrgcn")
    assert report.kept == 18
    assert "x_train[3]: expected a label that is a whole number, 0 to 9999, got -1" in str(report.skipped[0])


def test_val_of_ctrgcn_is_validation_beside_a_test_part(tmp_path: Path) -> None:
    arrays = ctrgcn_arrays()
    arrays |= {"x_val": arrays["x_train"][:4], "y_val": arrays["y_train"][:4]}
    save_archive(tmp_path / "a.npz", arrays)
    split = split_store(prepare(tmp_path / "a.npz", tmp_path / "out", "ctrgcn")[0], "given")
    assert (len(split.train), len(split.val), len(split.open_test(Purpose.COUNTS)), split.val_by) == (
        10,
        4,
        10,
        "given",
    )
    save_archive(tmp_path / "b.npz", {name: array for name, array in arrays.items() if "test" not in name})
    split = split_store(prepare(tmp_path / "b.npz", tmp_path / "other", "ctrgcn")[0], "given")
    assert (len(split.train_and_val), len(split.open_test(Purpose.COUNTS)), split.val_by) == (10, 4, "sequence")


def test_a_compressed_archive_is_read_in_parts(tmp_path: Path) -> None:
    arrays = {name: array[:, :9] for name, array in ctrgcn_arrays(70).items()}  # frames; of labels, classes
    save_archive(tmp_path / "stored.npz", arrays)
    np.savez_compressed(tmp_path / "packed.npz", **arrays)  # type: ignore[arg-type]
    plan = FORMATS["ctrgcn"](tmp_path / "packed.npz", ReadOptions()).plan()
    assert [item.value[3:] for item in plan.items[:8]] == [(at, min(at + 9, 70)) for at in range(0, 70, 9)]
    assert (len(plan.items), plan.items_a_chunk) == (16, 1)
    stored, _ = prepare(tmp_path / "stored.npz", tmp_path / "a", "ctrgcn")
    packed, report = prepare(tmp_path / "packed.npz", tmp_path / "b", "ctrgcn")
    assert (report.kept, packed.names) == (140, stored.names)
    assert all(np.array_equal(packed.pose(i), stored.pose(i)) for i in range(140))


def test_bad_rows_of_ctrgcn_are_named(tmp_path: Path) -> None:
    arrays = ctrgcn_arrays()
    arrays["x_train"][3] = 0
    arrays["x_train"][4, 0, 0] = np.inf
    arrays["y_test"][5, 1] = 1
    save_archive(tmp_path / "a.npz", arrays)
    _, report = prepare(tmp_path / "a.npz", tmp_path / "out", "ctrgcn")
    said = [str(problem) for problem in report.skipped]
    assert (report.kept, set(report.reasons().values())) == (17, {1})
    assert "x_test[]: expected a label of one 1 among zeros" in report.reasons()
    assert "a.npz: x_train[3]: expected a recording that shows at least one joint" in said[0]
    assert "a.npz: x_train[4]: expected a finite coordinate within 10000 metres, got inf" in said[1]
    assert "a.npz: x_test[5]: expected a label of one 1 among zeros, got [1.0, 1.0]" in said[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x_test": None},
            "x_test: expected an array that can be read, got 'no array of this name'; "
            "give an archive that holds x_train, y_train, x_test, y_test",
        ),
        ({"x_train": np.zeros((10, 300, 149))}, r"x_train: expected an array \(N, T, M\*75\), got \[10, 300, 149\]"),
        ({"x_train": np.zeros((10, 300))}, r"x_train: expected an array \(N, T, M\*75\)"),
        (
            {"y_train": np.zeros(9)},
            r"y_train: .* one-hot array \(10, classes\), or an array \(10,\), got \[9\]",
        ),
        ({"y_train": np.zeros((9, 6))}, r"y_train: expected a one-hot array \(10, classes\), .* got \[9, 6\]"),
        ({"y_train": np.zeros(10)}, r"the same number of classes in y_train and y_test, got \[1, 6\]"),
        ({"x_train": None}, "x_train: expected an array that can be read, got 'no array of this name'"),
        ({"y_train": np.zeros((10, 5))}, r"the same number of classes in y_train and y_test, got \[5, 6\]"),
        ({"x_train": np.array([{}], object)}, r"x_train: expected an array that can be read, got 'an array of object'"),
        ({"x_train": np.asfortranarray(np.ones((10, 3, 150)))}, "an array that can be read, got .* in Fortran order"),
    ],
)
def test_a_bad_archive_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {key: value for key, value in {**ctrgcn_arrays(), **change}.items() if value is not None}
    save_archive(tmp_path / "a.npz", arrays)
    with pytest.raises(DataError, match=message):
        prepare(tmp_path / "a.npz", tmp_path / "out", "ctrgcn")


def _npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_a_zip_bomb_a_lying_header_and_what_is_no_archive(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_test.npy", b"")
        with archive.open("x_train.npy", "w") as member:
            member.write(_npy_header((500, 300, 150)))
            for _ in range(500):
                member.write(bytes(300 * 150 * 4))
    with pytest.raises(
        DataError, match=r"x_train: expected an array that expands at most 200 times, got '.* to 90000128 bytes'"
    ):
        prepare(bomb, tmp_path / "out", "ctrgcn")
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("x_train.npy", _npy_header((10**6, 300, 150)) + bytes(100))
        archive.writestr("x_test.npy", b"")
    with pytest.raises(DataError, match=r"x_train: expected an array that can be read, got '228 bytes for the shape"):
        prepare(bomb, tmp_path / "out", "ctrgcn")
    for content, kind in (
        (b"PK nothing", "a text file"),
        (pickle.dumps([1]), "a pickle"),
        (b"\x1f\x8b", "a gzip file"),
    ):
        bomb.write_bytes(content)
        with pytest.raises(DataError, match=f"x_train: expected an array that can be read, got .{kind}"):
            prepare(bomb, tmp_path / "out", "ctrgcn")
    with pytest.raises(DataError, match=r"a file; give the \.npz itself"):
        prepare(tmp_path, tmp_path / "out", "ctrgcn")


def test_labels_may_expand_as_one_hot_labels_do(tmp_path: Path) -> None:
    arrays = {"x_train": np.ones((300, 1, 75)), "y_train": np.eye(6, 9_000)[np.arange(300) % 6]}
    arrays |= {"x_test": np.ones((1, 1, 75)), "y_test": np.eye(1, 9_000)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        info = archive.getinfo("y_train.npy")
    assert info.file_size > 16 * 2**20
    assert info.file_size > 200 * info.compress_size
    FORMATS["ctrgcn"](tmp_path / "a.npz", ReadOptions()).plan()


def test_a_recording_beyond_measure_is_refused(tmp_path: Path) -> None:
    arrays = ctrgcn_arrays(1)
    arrays["x_train"] = np.zeros((1, 1, 75 * 300_000), np.uint8)
    save_archive(tmp_path / "a.npz", arrays)
    with pytest.raises(
        DataError, match="x_train: expected at most 20000000 coordinates a recording, got 22500000; cut"
    ):
        FORMATS["ctrgcn"](tmp_path / "a.npz", ReadOptions())


def test_a_torn_archive_is_skipped_where_it_tears(tmp_path: Path) -> None:
    save_archive(tmp_path / "a.npz", ctrgcn_arrays())
    source = FORMATS["ctrgcn"](tmp_path / "a.npz", ReadOptions())
    items = source.plan().items
    with (tmp_path / "a.npz").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(
        DataError, match=r"x_train: expected an array that can be read, got 'the archive ends too early'"
    ):
        list(source.read(items[0]))

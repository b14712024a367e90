"""ST-GCN and its heirs: raw arrays with labels beside them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import normalise
from hico_platform.data.sequence import nan_where_zero
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.errors import DataError
from tests.unit.data.readers.archives import NAMES, poses, prepare

LENGTHS = [5 + i for i in range(12)]
PARTS = {"train": range(8), "val": range(8, 12)}


def make_stgcn(folder: Path, suffix: str = "_data.npy", frames: int = 300, **files: Any) -> list[np.ndarray]:
    """A folder as ntu_gendata.py writes it; returns the recordings (T, M, J, C)."""
    folder.mkdir(parents=True)
    recorded = [pose.copy() for pose in poses(12)]
    for pose in recorded:
        pose[1, :, 7] = 0  # a joint that the sensor did not see
    for part, chosen in PARTS.items():
        data = np.zeros((len(chosen), 3, frames, 25, 2), np.float32)
        for row, i in zip(data, chosen, strict=True):
            row[:, : len(recorded[i])] = recorded[i].transpose(3, 0, 2, 1)
        np.save(folder / f"{part}{suffix}", data)
        labels = files.get("labels", [i % 5 for i in chosen])
        content = ([f"{NAMES[i]}.skeleton" for i in chosen], labels)
        (folder / f"{part}_label.pkl").write_bytes(pickle.dumps(content))
    return recorded


@pytest.mark.parametrize("suffix", ["_data.npy", "_data_joint.npy"])
def test_raw_arrays(tmp_path: Path, suffix: str) -> None:
    recorded = make_stgcn(tmp_path / "xsub", suffix)
    np.save(tmp_path / "xsub" / "train_data_bone.npy", np.zeros(3))
    store, report = prepare(tmp_path / "xsub", tmp_path / "out", "stgcn")
    assert (report.kept, store.dataset, store.normalisation) == (12, "xsub", "released")
    assert store.names == tuple(NAMES)
    assert store.class_names == ("0", "1", "2", "3", "4")
    assert store.num_frames.tolist() == LENGTHS
    for i, pose in enumerate(recorded):
        shown = pose[:, :1] if i % 2 else pose
        np.testing.assert_array_equal(store.pose(i), normalise(nan_where_zero(shown), KINECT_V2).pose)
    assert split_store(store, "given").open_test(Purpose.COUNTS).tolist() == [8, 9, 10, 11]
    subject = store.column("subject")
    assert subject is not None
    assert subject.tolist() == [i % 4 + 1 for i in range(12)]


def test_a_recording_that_repeats_itself_is_not_padding(tmp_path: Path) -> None:
    make_stgcn(tmp_path / "xsub")
    data = np.load(tmp_path / "xsub" / "val_data.npy")
    data[0, :, 20:40] = data[0, :, :20]
    np.save(tmp_path / "xsub" / "val_data.npy", data)
    store, _ = prepare(tmp_path / "xsub", tmp_path / "out", "stgcn")
    assert store.num_frames[8] == 20 + LENGTHS[8]


def test_positions_relative_to_a_joint_that_is_therefore_at_zero(tmp_path: Path) -> None:
    """As AimCLR's preprocess_ntu.py writes them: the joint in the middle is no missing one."""
    raw = tmp_path / "xview"
    raw.mkdir()
    full = [pose[:5] - pose[:5, :, 20:21] for pose in poses(12)]
    for part, chosen in PARTS.items():
        data = np.stack([full[i].transpose(3, 0, 2, 1) for i in chosen])
        np.save(raw / f"{part}_position.npy", data)
        np.save(raw / f"{part}_motion.npy", data)
        np.save(raw / f"{part}_label.npy", np.array([[i % 5] for i in chosen]))
    store, report = prepare(raw, tmp_path / "out", "stgcn")
    assert (report.kept, store.names[0], store.names[11]) == (12, "train-000000", "val-000003")
    assert store.labels.tolist() == [i % 5 for i in range(12)]
    assert store.num_bodies.tolist() == [2, 1] * 6
    expected = full[3][:, :1] - full[3][:, :1, 1:2]
    found = store.pose(3)
    np.testing.assert_allclose(np.linalg.norm(found[:, 0, 20], axis=-1), np.linalg.norm(expected[:, 0, 20], axis=-1),
                               rtol=1e-4)  # fmt: skip
    assert found[:, 0, 20].any(axis=-1).all()


def test_labels_as_floats(tmp_path: Path) -> None:
    make_stgcn(tmp_path / "a", labels=np.array([0.0, 1, 2, 3, 1, 1, 1, 1]))
    (tmp_path / "a" / "val_data.npy").unlink()
    store, _ = prepare(tmp_path / "a", tmp_path / "out", "stgcn")
    assert store.labels.tolist() == [0, 1, 2, 3, 1, 1, 1, 1]


def test_bad_folders_are_named(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    with pytest.raises(DataError, match=r"a folder with \*_data.npy, \*_data_joint.npy or \*_position.npy files"):
        prepare(tmp_path, out, "stgcn")
    make_stgcn(raw)
    np.save(raw / "train_position.npy", np.zeros((8, 3, 50, 25, 2)))
    with pytest.raises(DataError, match=r"of one kind, got \['train_data.npy', .*; give the folder of one protocol"):
        prepare(raw, out, "stgcn")
    (raw / "train_position.npy").unlink()
    np.save(raw / "val_data.npy", np.zeros((4, 3, 10, 24, 2), np.float32))
    with pytest.raises(DataError, match=r"val_data.npy: expected an array of floats \(N, 3, T, 25, M\), got 'float32"):
        prepare(raw, out, "stgcn")
    np.save(raw / "val_data.npy", np.ones((5, 3, 10, 25, 2), np.float32))
    with pytest.raises(DataError, match=r"val_label.pkl: expected the names of 5 sequences, as in val_data.npy, got 4"):
        prepare(raw, out, "stgcn")
    (raw / "val_label.pkl").unlink()
    with pytest.raises(DataError, match=r"val_label.pkl: expected a file of labels, which goes with val_data.npy"):
        prepare(raw, out, "stgcn")
    np.save(raw / "val_label.npy", np.zeros((5, 2), int))
    with pytest.raises(DataError, match=r"val_label.npy: expected an array \(N,\) of labels, got 'int64 \[5, 2\]'"):
        prepare(raw, out, "stgcn")


def test_bad_rows_are_named(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_stgcn(raw, labels=[0, -1, 0, 0, 0, 0, 0, 0])
    (raw / "val_data.npy").unlink()
    data = np.load(raw / "train_data.npy")
    data[2] = 0
    data[3, 0, 0, 0, 0] = np.nan
    np.save(raw / "train_data.npy", data)
    _, report = prepare(raw, tmp_path / "out", "stgcn")
    said = [str(problem) for problem in report.skipped]
    assert report.kept == 5
    assert "train_label.pkl: [1]: expected a name and a label, 0 to 9999" in said[0]
    assert "train_data.npy: [2]: expected a recording that shows at least one joint" in said[1]
    assert "train_data.npy: [3]: expected a coordinate that is a number, got 'nan'" in said[2]


def test_normalised_files_are_for_the_other_format(tmp_path: Path) -> None:
    make_stgcn(tmp_path / "raw", "_data_joint.npy")
    data = np.load(tmp_path / "raw" / "val_data_joint.npy")
    np.save(tmp_path / "raw" / "val_data_joint.npy", data - data[:, :, :, 1:2])
    with pytest.raises(DataError, match="camera coordinates, got 'poses whose centre is at zero'; read them with"):
        prepare(tmp_path / "raw", tmp_path / "out", "stgcn")


@pytest.mark.filterwarnings("error")
def test_a_signalling_nan_is_a_nan(tmp_path: Path) -> None:
    make_stgcn(tmp_path / "raw", "_position.npy", frames=20)
    data = np.load(tmp_path / "raw" / "val_position.npy")
    data[0, 0, 0, 0, 0] = np.array([0x7F800001], np.uint32).view(np.float32)[0]
    np.save(tmp_path / "raw" / "val_position.npy", data)
    _, report = prepare(tmp_path / "raw", tmp_path / "out", "stgcn")
    assert report.kept == 12


def test_beside_a_test_part_val_is_validation(tmp_path: Path) -> None:
    make_stgcn(tmp_path / "raw")
    for name in ("data.npy", "label.pkl"):
        (tmp_path / "raw" / f"val_{name}").rename(tmp_path / "raw" / f"test_{name}")
    np.save(tmp_path / "raw" / "val_data.npy", np.ones((2, 3, 4, 25, 2), np.float32))
    (tmp_path / "raw" / "val_label.pkl").write_bytes(pickle.dumps((["a", "b"], [0, 1])))
    split = split_store(prepare(tmp_path / "raw", tmp_path / "out", "stgcn")[0], "given")
    assert (len(split.train), len(split.val), len(split.open_test(Purpose.COUNTS))) == (8, 2, 4)

"""Files of the released HiCo, and under its names as others write them."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.errors import DataError
from tests.unit.data.readers.archives import NAMES, make_hico, poses, prepare
from tests.unit.data.test_plain_pickle import Harm


def relabel(folder: Path, part: str, names: list[str], labels: list[object], num_frames: object) -> None:
    (folder / f"{part}_label.pkl").write_bytes(pickle.dumps((names, labels)))
    np.save(folder / f"{part}_num_frame.npy", np.array(num_frames))


def test_files_of_pku_mmd_as_cmd_writes_them(tmp_path: Path) -> None:
    """CMD, HaLP and PCM3: numbered names of files, labels as float64, and more frames than the 300 of the file."""
    make_hico(tmp_path / "xsub", num_frames=True)
    for part, count, video in (("train", 8, "A01N0"), ("val", 4, "A02N0")):
        names = [f"{video}{i // 2}-{'LMR'[i % 3]}.txt_{i}" for i in range(count)]
        relabel(tmp_path / "xsub", part, names, [np.float64(i % 5) for i in range(count)], [412.0] * count)
    store, report = prepare(tmp_path / "xsub", tmp_path / "out", "hico")
    assert (report.kept, report.remarks) == (12, {})
    assert (store.class_names, set(store.num_frames.tolist())) == (("0", "1", "2", "3", "4"), {300})
    video, camera = store.column("video"), store.column("camera")
    assert video is not None
    assert camera is not None
    assert video.tolist() == [f"A01N0{i // 2}" for i in range(8)] + ["A02N00", "A02N00", "A02N01", "A02N01"]
    assert camera.tolist()[:4] == [1, 2, 3, 1]
    split = split_store(store, "given")
    assert (len(split.open_test(Purpose.COUNTS)), split.val_by) == (4, "video")


def test_labels_and_numbers_of_frames_with_a_fraction_are_named(tmp_path: Path) -> None:
    make_hico(tmp_path / "xsub", num_frames=True)
    relabel(tmp_path / "xsub", "val", list("abcd"), [0.0, 1.5, 2, 3], [5.0] * 4)
    _, report = prepare(tmp_path / "xsub", tmp_path / "out", "hico")
    (problem,) = report.skipped
    assert "val_label.pkl: [1]: expected a name and a label, 0 to 9999, got \"'b', 1.5\"" in str(problem)
    relabel(tmp_path / "xsub", "val", list("abcd"), [0, 1, 2, 3], [5.5] * 4)
    with pytest.raises(DataError, match=r"val_num_frame.npy: .* an array of 4 whole numbers, got 'float64 \[4\]'"):
        prepare(tmp_path / "xsub", tmp_path / "other", "hico")


def test_raw_poses_under_these_names_are_normalised(tmp_path: Path) -> None:
    valid = make_hico(tmp_path / "xsub", num_frames=True)
    data = np.load(tmp_path / "xsub" / "val_data_joint.npy")
    for row, i in ((0, 8), (2, 10), (3, 11)):
        data[row] = 0
        data[row][:, : len(poses(12)[i])] = poses(12)[i].transpose(3, 0, 2, 1)
    np.save(tmp_path / "xsub" / "val_data_joint.npy", data)
    store, report = prepare(tmp_path / "xsub", tmp_path / "out", "hico")
    assert report.remarks == {"recordings normalised by this import: their centre was not at zero": 3}
    for i, pose in enumerate(valid):
        np.testing.assert_allclose(store.pose(i), pose, atol=1e-6)


def test_val_is_validation_where_there_is_a_test_part(tmp_path: Path) -> None:
    make_hico(tmp_path / "xsub", num_frames=True)
    for file in sorted((tmp_path / "xsub").glob("train_*")):
        shutil.copy(file, file.with_name(file.name.replace("train", "test")))
    relabel(tmp_path / "xsub", "test", [f"other{i}" for i in range(8)], [0] * 8, [5] * 8)
    split = split_store(prepare(tmp_path / "xsub", tmp_path / "out", "hico")[0], "given")
    assert (len(split.train), len(split.val), len(split.open_test(Purpose.COUNTS)), split.val_by) == (8, 4, 8, "given")


@pytest.mark.parametrize("num_frames", [True, False])
def test_hico(tmp_path: Path, num_frames: bool) -> None:
    valid = make_hico(tmp_path / "xsub", num_frames=num_frames)
    store, report = prepare(tmp_path / "xsub", tmp_path / "out", "hico")
    assert (report.kept, store.dataset, store.normalisation) == (12, "xsub", "released")
    assert store.names == tuple(NAMES)
    for i, pose in enumerate(valid):
        np.testing.assert_array_equal(store.pose(i), pose)
    assert split_store(store, "given").open_test(Purpose.COUNTS).tolist() == [8, 9, 10, 11]
    subject = store.column("subject")
    assert subject is not None
    assert subject.tolist() == [i % 4 + 1 for i in range(12)]


def test_bad_hico_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder with \*_data_joint.npy files; give the folder of one protocol"):
        prepare(tmp_path, tmp_path / "out", "hico")
    raw = tmp_path / "raw"
    make_hico(raw, num_frames=True, labels=[0, 1, -1, 2])
    with pytest.raises(DataError, match=r"train_label.pkl: expected a pair of lists, names and labels, of one length"):
        prepare(raw, tmp_path / "out", "hico")
    for part in ("data_joint.npy", "label.pkl", "num_frame.npy"):
        (raw / f"train_{part}").unlink()
    store, report = prepare(raw, tmp_path / "out", "hico")
    assert len(store) == 3
    assert "val_label.pkl: [2]: expected a name and a label, 0 to 9999" in str(report.skipped[0])
    with pytest.raises(DataError, match=r"val_label.pkl: \[2\]: expected a name and a label"):
        prepare(raw, tmp_path / "strict", "hico", strict=True)
    np.save(raw / "val_num_frame.npy", np.zeros(4, int))
    with pytest.raises(
        DataError, match=r"val_data_joint.npy: \[0\]: expected a recording of at least one frame, got 0"
    ):
        prepare(raw, tmp_path / "strict", "hico")
    np.save(raw / "val_num_frame.npy", np.zeros(3, int))
    with pytest.raises(DataError, match=r"val_num_frame.npy: expected an array of 4 whole numbers, got 'int64 \[3\]'"):
        prepare(raw, tmp_path / "strict", "hico")
    (raw / "val_label.pkl").write_bytes(pickle.dumps(Harm(os.system, "true")))
    with pytest.raises(DataError, match="nothing of it was run"):
        prepare(raw, tmp_path / "strict", "hico")
    (raw / "val_label.pkl").unlink()
    with pytest.raises(
        DataError, match=r"val_label.pkl: expected a file of labels, which goes with val_data_joint.npy"
    ):
        prepare(raw, tmp_path / "strict", "hico")
    np.save(raw / "val_data_joint.npy", np.zeros((4, 3, 10, 24, 2)))
    (raw / "val_label.pkl").write_bytes(pickle.dumps(([], [])))
    with pytest.raises(
        DataError, match=r"val_data_joint.npy: expected an array of floats \(N, 3, T, 25, M\), got 'float64"
    ):
        prepare(raw, tmp_path / "strict", "hico")
    (raw / "val_data_joint.npy").write_bytes(b"x")
    with pytest.raises(DataError, match=r"val_data_joint.npy: expected an .npy array"):
        prepare(raw, tmp_path / "strict", "hico")

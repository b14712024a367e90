"""pyskl, CTR-GCN and HiCo: the formats that hold a whole dataset in a file."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.import_report import Report
from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import normalise
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.readers.padded import recorded_frames, shown_bodies
from hico_platform.data.sequence import nan_where_zero
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.errors import DataError
from tests.unit.data.test_plain_pickle import Harm

NAMES = [f"S001C00{i % 3 + 1}P00{i % 4 + 1}R001A00{i % 5 + 1}" for i in range(12)]


def poses(count: int, bodies: int = 2, seed: int = 0) -> list[np.ndarray]:
    """(T, M, J, C), of one body every other time."""
    rng = np.random.default_rng(seed)
    found = [rng.standard_normal((5 + i, bodies, 25, 3)).astype(np.float32) for i in range(count)]
    for pose in found[1::2]:
        pose[:, 1:] = 0
    return found


def prepare(raw: Path, out: Path, format_name: str, **options: Any) -> tuple[Store, Report]:
    report = import_dataset(raw, out, format_name=format_name, **options)
    return Store.open(out), report


def pyskl_content() -> dict[str, Any]:
    return {
        "split": {"xsub_train": NAMES[:8], "xsub_val": NAMES[8:], "xview_train": NAMES[4:], "xview_val": NAMES[:4]},
        "annotations": [
            {
                "frame_dir": name,
                "label": i % 5,
                "keypoint": pose.swapaxes(0, 1).astype(np.float16),
                "total_frames": len(pose),
            }
            for i, (name, pose) in enumerate(zip(NAMES, poses(12), strict=True))
        ],
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pyskl(tmp_path: Path, protocol: int) -> None:
    raw = tmp_path / "ntu60_3danno.pkl"
    raw.write_bytes(pickle.dumps(pyskl_content(), protocol=protocol))
    store, report = prepare(raw, tmp_path / "out", "pyskl")
    assert (report.kept, store.dataset, store.class_names) == (12, "ntu60", ("0", "1", "2", "3", "4"))
    assert store.names == tuple(NAMES)
    expected = poses(12)[3].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(store.pose(3), normalise(nan_where_zero(expected), KINECT_V2).pose)
    assert split_store(store, "xsub").open_test(Purpose.COUNTS).tolist() == [8, 9, 10, 11]
    assert split_store(store, "xview").open_test(Purpose.COUNTS).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": -2}, r"annotations\[2\].label: expected a whole number, 0 to 9999, or -1 for no label, got -2"),
        ({"label": 10**6}, r"annotations\[2\].label: expected a whole number"),
        ({"label": "walk"}, r"annotations\[2\].label: expected a whole number"),
        ({"frame_dir": None}, r"annotations\[2\].frame_dir: expected the name of the sequence"),
        ({"keypoint": [1, 2]}, r"annotations\[2\].keypoint: expected an array, got 'list'"),
        (
            {"keypoint": np.zeros((1, 7, 17, 2))},
            r"annotations\[2\].keypoint: expected an array of floats \(M, T, 25, 3\) of .*, got '<f8 \[1,",
        ),
        (
            {"keypoint": np.zeros((1, 7, 25, 2)), "total_frames": 7},
            r"got '<f8 \[1, 7, 25, 2\]'; give a file of 3D poses: these are 2D",
        ),
        (
            {"keypoint": np.zeros((1, 7, 20, 3)), "total_frames": 7},
            r"got '<f8 \[1, 7, 20, 3\]'; name the layout of 20 joints by --layout: this is kinect-v2",
        ),
        (
            {"keypoint": np.zeros((7, 1, 25, 3)), "total_frames": 7},
            r"total_frames: expected .*, got 7; swap the first two axes of keypoint \[7, 1, 25, 3\]: they are \(T, M\)",
        ),
        ({"label": 1.5}, r"annotations\[2\].label: expected a whole number, 0 to 9999, or -1 for no label, got 1.5"),
        ({"total_frames": 99}, r"annotations\[2\].total_frames: expected the number of frames of keypoint, got 99"),
        ({"keypoint": np.full((1, 7, 25, 3), np.nan)}, "a coordinate that is a number, got 'nan'"),
        (
            {"keypoint": np.ones((7, 1, 25, 3)), "total_frames": None},
            r"annotations\[2\].keypoint: expected .*transpose\(1, 0, 2, 3\): the axes look like \(T, M, J, C\)",
        ),
    ],
)
def test_a_bad_annotation_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    content = pyskl_content()
    content["annotations"][2] |= change
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    _, report = prepare(tmp_path / "x.pkl", tmp_path / "out", "pyskl")
    assert report.kept == 11
    (problem,) = report.skipped
    with pytest.raises(DataError, match=message):
        raise DataError(problem)


def test_annotations_without_a_label_are_kept_as_unlabelled(tmp_path: Path) -> None:
    content = pyskl_content()
    for i, label in enumerate((None, -1, -1.0)):
        content["annotations"][i]["label"] = label
    del content["annotations"][3]["label"]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    store, report = prepare(tmp_path / "x.pkl", tmp_path / "out", "pyskl")
    assert (report.kept, report.unlabelled, report.skipped) == (12, 4, ())
    assert store.labels.tolist() == [-1, -1, -1, -1, 4, 0, 1, 2, 3, 4, 0, 1]
    assert split_store(store, "xsub").pretrain_only_in_retraining.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", [list, tuple, set, np.array])
def test_val_is_validation_where_a_pyskl_file_has_a_test_part(tmp_path: Path, kind: Any) -> None:
    content = pyskl_content()
    content["split"] = {
        **{"xsub_train": kind(NAMES[:6]), "xsub_val": kind(NAMES[6:8]), "xsub_test": kind(NAMES[8:])},
        **{"xview_train": kind(NAMES[4:]), "xview_val": kind(NAMES[:4])},  # as pyskl publishes NTU
        **{"train": kind(NAMES[:5]), "val": kind(NAMES[5:6]), "test": kind(NAMES[6:])},
        **{"train1": kind(NAMES[:9]), "test1": kind(NAMES[9:]), "all": kind(NAMES)},
    }
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    store, _ = prepare(tmp_path / "x.pkl", tmp_path / "out", "pyskl")
    parts = {}
    for protocol in ("xsub", "xview", "given", "split1"):
        split = split_store(store, protocol)
        parts[protocol] = [len(split.train_and_val), len(split.open_test(Purpose.COUNTS)), split.val_by]
        assert len(split.val) == {"xsub": 2, "given": 1}.get(protocol, len(split.val))
    assert parts == {
        "xsub": [8, 4, "given"], "xview": [8, 4, "subject"], "given": [6, 6, "given"], "split1": [9, 3, "subject"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"xsub_train": NAMES[:8], "xsub_test": NAMES[7:]},
         r"split.xsub_test: expected a name in one part of a protocol alone, got 'S001C002P004R001A003'; leave it out"),
        ({"xsub_train": "x"}, "split: expected a dict of lists of names, got 'str in xsub_train'"),
        ([NAMES], "split: expected a dict of lists of names, got 'list'"),
    ],
)  # fmt: skip
def test_a_bad_split_of_pyskl_is_named(tmp_path: Path, split: Any, message: str) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({**pyskl_content(), "split": split}))
    with pytest.raises(DataError, match=message):
        prepare(tmp_path / "x.pkl", tmp_path / "out", "pyskl")


def test_pyskl_with_labels_as_floats_and_keypoints_of_one_body(tmp_path: Path) -> None:
    content = pyskl_content()
    for annotation in content["annotations"]:
        annotation["label"] = np.float64(annotation["label"])
        annotation["total_frames"] = float(annotation["total_frames"])
    single = content["annotations"][3]
    single["keypoint"] = single["keypoint"][0]  # (T, J, C)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    store, report = prepare(tmp_path / "x.pkl", tmp_path / "out", "pyskl")
    assert (report.kept, store.labels.tolist()) == (12, [i % 5 for i in range(12)])
    expected = poses(12)[3].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(store.pose(3), normalise(expected[:, :1], KINECT_V2).pose)


def test_a_pyskl_pickle_with_code_or_without_annotations(tmp_path: Path) -> None:
    raw = tmp_path / "x.pkl"
    raw.write_bytes(pickle.dumps({**pyskl_content(), "more": Harm(os.system, f"touch {tmp_path / 'witness'}")}))
    with pytest.raises(DataError, match=r"plain containers alone, got 'posix\.system'"):
        prepare(raw, tmp_path / "out", "pyskl")
    assert not (tmp_path / "witness").exists()
    raw.write_bytes(pickle.dumps([1]))
    with pytest.raises(
        DataError, match="annotations: expected a pickle of a dict with a list of annotations, got 'list'"
    ):
        prepare(raw, tmp_path / "out", "pyskl")
    raw.write_bytes(pickle.dumps({"split": {}, "annotations": []}))
    with pytest.raises(DataError, match=r"x.pkl: expected at least one recording, got 0; give the files that"):
        prepare(raw, tmp_path / "out", "pyskl")
    with pytest.raises(DataError, match="a file"):
        prepare(tmp_path / "absent", tmp_path / "out", "pyskl")


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


def make_hico(folder: Path, *, num_frames: bool, labels: Any = None) -> list[np.ndarray]:
    """A released pair: normalised, repeated to 300 frames."""
    folder.mkdir(parents=True)
    valid = [normalise(nan_where_zero(pose), KINECT_V2).pose for pose in poses(12)]
    for part, chosen in (("train", range(8)), ("val", range(8, 12))):
        data = np.zeros((len(chosen), 3, 300, 25, 2), np.float32)
        for row, i in zip(data, chosen, strict=True):
            padded = normalise(nan_where_zero(poses(12)[i]), KINECT_V2, num_frames=300).pose
            row[..., : padded.shape[1]] = padded.transpose(3, 0, 2, 1)
        np.save(folder / f"{part}_data_joint.npy", data)
        given = labels if labels is not None else [i % 5 for i in chosen]
        names = [f"{NAMES[i]}.skeleton" for i in chosen]
        (folder / f"{part}_label.pkl").write_bytes(pickle.dumps((names, given)))
        if num_frames:
            np.save(folder / f"{part}_num_frame.npy", np.array([len(valid[i]) for i in chosen]))
    return valid


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


def test_a_recording_that_never_repeats_is_kept_whole() -> None:
    (pose,) = poses(1)
    assert recorded_frames(pose) == 5
    assert recorded_frames(np.concatenate([pose, pose[:3]])) == 5
    assert recorded_frames(np.concatenate([pose, pose[:1], pose[2:]])) == 9
    assert len(shown_bodies(pose * 0)) == 0


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

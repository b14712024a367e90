from __future__ import annotations

import os
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
from tests.unit.data.test_plain_pickle import Harm


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

"""Kinetics-skeleton: the JSON files of ST-GCN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.anatomy import rest_pose
from hico_platform.data.detections import BEYOND
from hico_platform.data.import_report import Report
from hico_platform.data.importing import import_dataset
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.data.verify import verify
from hico_platform.errors import DataError

OPENPOSE = LAYOUTS["openpose-18"]
MISSING = OPENPOSE.joints.index("ear_left")


def person(frame: int, *, left: float, score: float = 0.8) -> dict[str, Any]:
    """Someone who waves, as shares of an image of 340 x 256 pixels; an ear is not found."""
    standing = rest_pose(OPENPOSE)[:, :2].copy()
    standing[OPENPOSE.joints.index("wrist_right"), 1] += 0.2 * np.sin(frame)
    shares = standing * (100 / 340, -100 / 256) + (left, 0.9)
    shares[MISSING] = 0
    scores = np.full(18, score)
    scores[MISSING] = 0
    return {"pose": shares.round(4).ravel().tolist(), "score": scores.tolist()}


def video(label: int, *, frames: int = 10) -> dict[str, Any]:
    data = [{"frame_index": i + 1, "skeleton": [person(i, left=0.3 + 0.01 * i)]} for i in range(frames)]
    return {"data": data, "label": f"class {label}", "label_index": label}


def write(folder: Path, videos: dict[str, dict[str, dict[str, Any]]]) -> Path:
    for part, contents in videos.items():
        (folder / f"kinetics_{part}").mkdir(parents=True)
        entries = {}
        for name, content in contents.items():
            (folder / f"kinetics_{part}" / f"{name}.json").write_text(json.dumps(content))
            entries[name] = {"has_skeleton": True, "label": content["label"], "label_index": content["label_index"]}
        (folder / f"kinetics_{part}_label.json").write_text(json.dumps(entries))
    return folder


def prepare(raw: Path, out: Path) -> tuple[Store, Report]:
    report = import_dataset(raw, out, format_name="kinetics")
    return Store.open(out), report


def two_parts(folder: Path) -> Path:
    return write(folder, {"train": {"a": video(0), "b": video(1)}, "val": {"c": video(1)}})


def test_videos_labels_and_parts(tmp_path: Path) -> None:
    store, report = prepare(two_parts(tmp_path / "raw"), tmp_path / "out")
    assert (report.kept, report.skipped) == (3, ())
    assert (store.coordinates, store.layout, store.normalisation) == (2, OPENPOSE, Normalisation.IMAGE)
    assert (store.names, store.labels.tolist(), store.class_names) == (
        ("a", "b", "c"),
        [0, 1, 1],
        ("class 0", "class 1"),
    )
    assert split_store(store, "given").open_test(Purpose.COUNTS).tolist() == [2]
    assert verify(store) == []
    confidence = store.column("confidence")
    assert confidence is not None
    assert confidence.tolist() == [0.8, 0.8, 0.8]
    assert not store.pose(0)[:, 0, MISSING].any(), "not found"


def test_width_and_height_have_one_unit(tmp_path: Path) -> None:
    store, _ = prepare(two_parts(tmp_path / "raw"), tmp_path / "out")
    shares = np.array([frame["skeleton"][0]["pose"] for frame in video(0)["data"]]).reshape(-1, 1, 18, 2)
    pixels = (shares * (340, 256)).astype(np.float32)
    pixels[:, :, MISSING] = np.nan
    expected = normalise(pixels, OPENPOSE, method=Normalisation.IMAGE).pose
    np.testing.assert_allclose(store.pose(0), expected, atol=1e-5)
    across = np.linalg.norm(OPENPOSE.x_line(store.pose(0)[0, 0]))
    assert across == pytest.approx(0.36 * 0.5 / 0.54, rel=0.01), "as in the standing person"


def test_people_are_followed_by_place_and_the_two_of_most_score_stay(tmp_path: Path) -> None:
    content = video(0)
    for i, frame in enumerate(content["data"]):
        other, faint = person(i, left=0.7, score=0.9), person(i, left=0.05, score=0.1)
        frame["skeleton"] = [[other, faint], [faint, other]][i % 2][: 2 - i % 2] + frame["skeleton"] + [other] * (i % 2)
    raw = write(tmp_path / "raw", {"train": {"a": content}, "val": {"b": video(0)}})
    store, report = prepare(raw, tmp_path / "out")
    assert report.remarks[BEYOND] == 1
    pose = store.pose(0)
    assert pose.shape[:2] == (10, 2)
    nose = OPENPOSE.joints.index("nose")
    apart = np.diff(pose[:, :, nose, 0], axis=1)
    assert (np.sign(apart) == np.sign(apart[0])).all(), "nobody changes place"
    assert pose.any(axis=(2, 3)).all(), "both in every frame"


def test_gaps_are_frames_without_a_person(tmp_path: Path) -> None:
    content = video(0)
    content["data"][4]["skeleton"] = []
    del content["data"][6]
    store, _ = prepare(write(tmp_path / "raw", {"train": {"a": content}}), tmp_path / "out")
    assert store.pose(0).any(axis=(1, 2, 3)).tolist() == [True] * 4 + [False, True, False] + [True] * 3


def test_videos_without_a_skeleton_are_counted(tmp_path: Path) -> None:
    raw = two_parts(tmp_path / "raw")
    file = raw / "kinetics_train_label.json"
    entries = json.loads(file.read_text()) | {"x": {"has_skeleton": False, "label": "class 1", "label_index": 1}}
    file.write_text(json.dumps(entries))
    _, report = prepare(raw, tmp_path / "out")
    assert (report.kept, report.remarks) == (3, {"videos in which nobody was found": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_index": 0}, r"b.json: expected the label_index 1, as in the label file, got 0"),
        ({"data": []}, "b.json: expected an object with data, a list of frames"),
        (
            {"data": [{"frame_index": 1, "skeleton": [{"pose": [0.1] * 34, "score": [1] * 17}]}]},
            "a pose of 36 numbers and a score of 18",
        ),
        (
            {"data": [{"frame_index": 1, "skeleton": [{"pose": ["0.1"] * 36, "score": [1] * 18}]}]},
            "a pose of 36 numbers",
        ),
        ({"data": [{"frame_index": 1, "skeleton": []}] * 2}, r"data\[1\]: expected a frame_index of its own"),
        ({"data": [{"frame_index": 1, "skeleton": []}]}, "a recording of at least one body"),
        ({"data": [{"frame_index": i, "skeleton": []} for i in (1, 10**6)]}, "at most 100000 frames, got 1000000"),
    ],
)
def test_a_bad_video_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    raw = two_parts(tmp_path / "raw")
    file = raw / "kinetics_train" / "b.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    _, report = prepare(raw, tmp_path / "out")
    assert report.kept == 2
    with pytest.raises(DataError, match=message):
        raise DataError(report.skipped[0])


def test_a_missing_file_and_a_wrong_entry_are_named(tmp_path: Path) -> None:
    raw = two_parts(tmp_path / "raw")
    (raw / "kinetics_train" / "a.json").unlink()
    file = raw / "kinetics_train_label.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"../x": {"label_index": 1}, "y": [], "\ud800": {}}))
    _, report = prepare(raw, tmp_path / "out")
    assert report.kept == 2
    found = "\n".join(map(str, report.skipped))
    assert found.count("a file for each video of the label file that has a skeleton") == 2
    assert found.count("an object with label_index, the number of the class") == 2


def test_another_folder_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"kinetics_train_label.json beside kinetics_train, .*; give the folder"):
        prepare(tmp_path, tmp_path / "out")

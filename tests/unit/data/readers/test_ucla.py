"""NW-UCLA: JSON files as CTR-GCN distributes them, and the authors' text files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V1
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.errors import DataError
from tests.unit.data.readers.archives import prepare

NAMES = [f"a{a:02d}_s{s:02d}_e00_v{v:02d}" for a in (1, 8, 12) for s in (1, 2) for v in (1, 2, 3)]


def recorded(i: int) -> np.ndarray:
    """(T, J, C), rounded as in the files."""
    return np.random.default_rng(i).standard_normal((4 + i, 20, 3)).round(3)


def make_json(folder: Path) -> Path:
    folder.mkdir()
    for i, name in enumerate(NAMES):
        content = {"file_name": name, "skeletons": recorded(i).tolist(), "label": 1}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def make_text(folder: Path) -> Path:
    for i, name in enumerate(NAMES):
        place = folder / f"view_{name[-1]}" / name[:-4]
        place.mkdir(parents=True)
        for t, joints in enumerate(recorded(i)):
            lines = ["1", *(f"{x},{y},{z},2" for x, y, z in joints)]
            (place / f"frame_{t * 7}_tc_{t}_skeletons.txt").write_text("\r\n".join(lines) + "\r\n")
            (place / f"frame_{t * 7}_tc_{t}_rgb.jpg").write_bytes(b"\xff\xd8")
    return folder


@pytest.mark.parametrize("make", [make_json, make_text])
def test_both_forms_hold_the_same(tmp_path: Path, make: object) -> None:
    raw = make_json(tmp_path / "raw") if make is make_json else make_text(tmp_path / "raw")
    store, report = prepare(raw, tmp_path / "out", "ucla")
    assert (report.kept, len(report.skipped), store.dataset) == (18, 0, "ucla")
    assert sorted(store.names) == NAMES
    for i, name in enumerate(store.names):
        pose = recorded(NAMES.index(name)).astype(np.float32)[:, None]
        np.testing.assert_array_equal(store.pose(i), normalise(pose, KINECT_V1, method=Normalisation.YAW).pose)
        assert (
            store.class_names[store.labels[i]]
            == {"01": "pick up with one hand", "08": "donning", "12": "carry"}[name[1:3]]
        )
    split = split_store(store, "xview")
    assert (len(split.train_and_val), len(split.open_test(Purpose.COUNTS)), split.val_by) == (12, 6, "subject")
    assert all(store.names[i].endswith("_v03") for i in split.open_test(Purpose.COUNTS))
    assert [store.labels[store.names.index(name)] for name in (NAMES[0], NAMES[6], NAMES[17])] == [0, 6, 9]


def test_a_frame_of_several_people_or_of_none(tmp_path: Path) -> None:
    place = tmp_path / "raw" / "view_2" / "a02_s03_e04"
    place.mkdir(parents=True)
    people = np.random.default_rng(0).standard_normal((2, 20, 3)).round(3)
    for t, shown in enumerate((2, 0, 1)):
        lines = [str(shown)]
        for person in people[:shown]:
            lines += ["0", *(f"{x},{y},{z},2" for x, y, z in person)]
        (place / f"frame_{9 + t}_tc_1_skeletons.txt").write_text("\n".join(lines))
    store, report = prepare(tmp_path / "raw", tmp_path / "out", "ucla")
    assert (report.kept, store.names, store.num_frames.tolist(), store.num_bodies.tolist()) == (
        1, ("a02_s03_e04_v02",), [3], [2],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a07_s01_e00_v01",
            "{}",
            r"with one of the actions 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, got 'a07_s01_e00_v01.json'",
        ),
        ("walk", "{}", r"a name like a01_s02_e03_v01 with one of the actions .*, got 'walk.json'; restore its name"),
        ("a01_s01_e09_v01", "{}", r"skeletons: expected a list of numbers \(T, 20, 3\)"),
        ("a01_s01_e09_v01", "[", "v01.json:1: expected a JSON file, got 'Expecting value'"),
        ("a01_s01_e09_v01", "[" * 100_000, "a JSON file, got 'RecursionError"),
        ("a01_s01_e09_v01", "9" * 5000, "a JSON file, got 'ValueError"),
        ("a01_s01_e09_v01", json.dumps({"skeletons": [[[1, 2, 3]] * 19]}), r"a list of numbers \(T, 20, 3\)"),
        ("a01_s01_e09_v01", json.dumps({"skeletons": [[["1", 2, 3]] * 20]}), r"a list of numbers \(T, 20, 3\)"),
        ("a01_s01_e09_v01", json.dumps({"skeletons": [[[10**400, 2, 3]] * 20]}), r"a list of numbers \(T, 20, 3\)"),
        ("a01_s01_e09_v01", json.dumps({"skeletons": []}), "a recording of at least one frame"),
        ("a01_s01_e09_v01", json.dumps({"skeletons": [[[float("nan"), 2, 3]] * 20]}), "a coordinate that is a number"),
        ("a01_s01_e09_v01", json.dumps({"skeletons": [[[None, 2, 3]] * 20]}), "a coordinate that is a number"),
        ("a01_s01_e09_v01", json.dumps({"skeletons": [[[0, 0, 0]] * 20]}), "shows at least one joint"),
    ],
)
def test_a_bad_json_file_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    raw = make_json(tmp_path / "raw")
    (raw / f"{name}.json").write_text(text)
    _, report = prepare(raw, tmp_path / "out", "ucla")
    assert report.kept == 18
    with pytest.raises(DataError, match=message):
        raise DataError(report.skipped[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n" + "1,2,3,2\n" * 19, "20 joints for each of at most 6 people, got 19"),
        ("7\n" + "1,2,3,2\n" * 140, "20 joints for each of at most 6 people, got 140"),
        (
            "1\n" + "1,2,3,2\n" * 19 + "1,x,3,2\n",
            r"frame_3_x_skeletons.txt:21: expected a joint as x,y,z,tracking state",
        ),
        ("1\n" * 40_000, "a frame of at most 65536 bytes, got 80000"),
        ("1\n" + "inf,2,3,2\n" * 20, "a finite coordinate within"),
    ],
)
def test_a_bad_frame_is_named(tmp_path: Path, text: str, message: str) -> None:
    raw = make_text(tmp_path / "raw")
    (raw / "view_1" / NAMES[0][:-4] / "frame_3_x_skeletons.txt").write_text(text)
    _, report = prepare(raw, tmp_path / "out", "ucla")
    assert report.kept == 17
    with pytest.raises(DataError, match=message):
        raise DataError(report.skipped[0])


def test_another_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder of aXX_sXX_eXX_vXX.json, or of view_X/aXX_sXX_eXX with frame_N"):
        prepare(tmp_path, tmp_path / "out", "ucla")
    with pytest.raises(DataError, match="a folder; give the folder all_sqe or multiview_action"):
        prepare(tmp_path / "absent", tmp_path / "out", "ucla")

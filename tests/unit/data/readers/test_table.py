"""Folders of CSV and JSON files, in small files of the exports for which maps ship."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hico_platform.config.table_map_file import find_table_map
from hico_platform.data.import_report import Report
from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V1, KINECT_V2, Layout
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.normalise import Normalisation, normalise
from hico_platform.data.readers import ReadOptions
from hico_platform.data.sequence import MissingJoint, Unit
from hico_platform.data.store import Store
from hico_platform.data.synth.generate import one_sequence
from hico_platform.data.synth.presets import TINY
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError, UsageError


def prepare(raw: Path, out: Path, table: TableMap | None, layout: Layout = KINECT_V2) -> tuple[Store, Report]:
    report = import_dataset(raw, out, format_name="table", options=ReadOptions(layout=layout, map=table))
    return Store.open(out), report


def recorded(seed: int, joints: int = 25) -> np.ndarray:
    """(T, J, C)."""
    return np.random.default_rng(seed).standard_normal((5, joints, 3)).round(3)


def rows(pose: np.ndarray, *, separator: str = ",", first: str = "", after: str = "") -> str:
    return "\n".join(
        first + separator.join(separator.join(map(str, joint)) + after for joint in frame) for frame in pose.tolist()
    )


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def assert_stored(store: Store, name: str, pose: np.ndarray, layout: Layout = KINECT_V2) -> None:
    expected = normalise(pose[:, None].astype(np.float32), layout, method=Normalisation.YAW).pose
    np.testing.assert_allclose(store.pose(store.names.index(name)), expected, atol=1e-5)


def test_kimore(tmp_path: Path) -> None:
    raw = tmp_path / "KiMoRe"
    for seed, (group, subject, exercise) in enumerate([("CG/Expert", "E_ID1", 1), ("GPP/Stroke", "S_ID3", 4)]):
        place = raw / group / subject / f"Es{exercise}" / "Raw"
        write(place / "JointPosition151214.csv", rows(recorded(seed), after=",2").replace("\n", ",\n\n"))
        write(place / "JointOrientation151214.csv", "1,2,3,4")
    store, report = prepare(raw, tmp_path / "out", find_table_map("kimore"))
    assert (report.kept, len(report.skipped), store.class_names) == (2, 0, ("1", "4"))
    assert_stored(store, "CG/Expert/E_ID1/Es1/Raw/JointPosition151214", recorded(0))
    subject, group = store.column("subject"), store.column("group")
    assert subject is not None
    assert group is not None
    assert (subject.tolist(), group.tolist()) == (["E_ID1", "S_ID3"], ["CG", "GPP"])


def test_intellirehab(tmp_path: Path) -> None:
    write(tmp_path / "Simplified" / "303_18_4_10_1_stand.txt", rows(recorded(0)))
    write(tmp_path / "Simplified" / "303_18_4_1_3_chair.txt", rows(recorded(1)))
    write(tmp_path / "Simplified" / "readme.txt", "none")
    store, report = prepare(tmp_path / "Simplified", tmp_path / "out", find_table_map("irds"))
    assert (report.kept, len(store.class_names)) == (2, 9)
    assert store.class_names[int(store.labels[0])] == "shoulder abduction left"
    assert "readme.txt: expected a path that matches" in str(report.skipped[0])
    assert_stored(store, "303_18_4_10_1_stand", recorded(0))
    repetition = store.column("repetition")
    assert repetition is not None
    assert repetition.tolist() == [10, 1]


def test_msrc_12(tmp_path: Path) -> None:
    pose = recorded(0, joints=20)
    pose[0] = 0
    write(tmp_path / "data" / "P1_1_12A_p19.csv", rows(pose, separator=" ", first="634477 ", after=" 1"))
    write(tmp_path / "data" / "P1_1_12A_p19.tagstream", "XQPCTick;Tag")
    store, report = prepare(tmp_path / "data", tmp_path / "out", find_table_map("msrc-12"), KINECT_V1)
    assert (report.kept, store.class_names[int(store.labels[0])]) == (1, "kick")
    assert_stored(store, "P1_1_12A_p19", pose[1:], KINECT_V1)


def test_azure_kinect(tmp_path: Path) -> None:
    layout = Layout(name="azure-kinect", joints=tuple(f"j{j}" for j in range(32)), parents=(0,) * 32, centre=0,
                    z_axis=(0, 2), x_axis=(5, 12))  # fmt: skip
    pose = recorded(0, joints=32)
    frames = [
        {"bodies": [{"body_id": 4, "joint_positions": (1000 * joints).tolist()}], "frame_id": t, "num_bodies": 1}
        for t, joints in enumerate(pose)
    ]
    frames.append({"bodies": [], "frame_id": 5, "num_bodies": 0})
    write(tmp_path / "azure" / "walk.json", json.dumps({"bone_list": [], "frames": frames, "joint_names": []}))
    store, report = prepare(tmp_path / "azure", tmp_path / "out", find_table_map("azure-kinect"), layout)
    assert (report.kept, store.names, store.class_names) == (1, ("walk",), ())
    assert store.labels.tolist() == [-1]
    assert store.num_frames.tolist() == [5]
    assert_stored(store, "walk", pose * (1, -1, -1), layout)  # the sensor's y points downwards


def test_a_unit_that_is_given_takes_the_place_of_the_map_s(tmp_path: Path) -> None:
    table = TableMap.from_plain({"unit": "mm", "csv": {"header": False}})
    pose = recorded(0)
    write(tmp_path / "raw" / "walk.csv", rows(pose))
    options = ReadOptions(map=table, unit=Unit.M)
    import_dataset(tmp_path / "raw", tmp_path / "out", format_name="table", options=options)
    assert_stored(Store.open(tmp_path / "out"), "walk", pose)
    write(tmp_path / "listed" / "manifest.csv", "path\nwalk.csv\n")
    write(tmp_path / "listed" / "walk.csv", rows(pose))
    import_dataset(tmp_path / "listed", tmp_path / "out2", format_name="manifest", options=options)
    assert_stored(Store.open(tmp_path / "out2"), "walk.csv", pose)


def test_a_wrong_unit_of_the_map_is_named_with_the_right_one(tmp_path: Path) -> None:
    """The remedy is a unit that the command takes, though the wrong one was said by the map."""
    table = TableMap.from_plain({"unit": "mm", "csv": {"header": False}})
    pose = one_sequence(TINY, seed=0, action=0, subject=0, camera=0, repetition=0).pose[:, 0]
    write(tmp_path / "raw" / "walk.csv", rows(np.nan_to_num(pose)))
    with pytest.raises(DataError, match=r"unit: expected a body height .*; give --unit m, in which it is 1\."):
        import_dataset(tmp_path / "raw", tmp_path / "out", format_name="table", options=ReadOptions(map=table),
                       accept_implausible=False)  # fmt: skip


def test_mediapipe(tmp_path: Path) -> None:
    layout, table = LAYOUTS["mediapipe"], find_table_map("mediapipe")
    assert table.joints is not None
    pose = recorded(0, joints=33)
    titles = ["frame", *(f"{joint}_{axis}" for joint in table.joints for axis in ("x", "y", "z", "visibility"))]
    lines = rows(pose, first="7,", after=",0.9")
    write(tmp_path / "clips" / "wave.csv", ",".join(titles) + "\n" + lines)
    store, report = prepare(tmp_path / "clips", tmp_path / "out", table, layout)
    assert report.kept == 1
    assert titles[1 + 4 * layout.joints.index("hip_left")] == "left_hip_x"
    assert_stored(store, "wave", pose * (1, -1, -1), layout)  # landmarks have y downwards: heads come above feet


def test_a_store_says_how_the_files_mark_a_missing_joint(tmp_path: Path) -> None:
    """An exported encoder takes zeros in new recordings as these files mean them."""
    pose = recorded(0)
    pose[2, 4] = 0
    write(tmp_path / "raw" / "walk.csv", rows(pose))
    for missing in MissingJoint:
        table = TableMap.from_plain({"missing": str(missing), "csv": {"header": False}})
        store, _ = prepare(tmp_path / "raw", tmp_path / missing, table)
        assert store.missing_joint is missing
        assert store.pose(0)[2, 0, 4].any() == (missing is MissingJoint.NAN)


def test_one_file_and_labels_by_text(tmp_path: Path) -> None:
    table = TableMap.from_plain({"name": "(?P<name>(?P<label>[a-z]+)_[0-9])", "csv": {"header": False}})
    for i, word in enumerate(("walk", "sit", "walk")):
        write(tmp_path / "raw" / f"{word}_{i}.csv", rows(recorded(i)))
    store, _ = prepare(tmp_path / "raw", tmp_path / "out", table)
    assert (store.class_names, store.labels.tolist()) == (("sit", "walk"), [0, 1, 1])
    assert store.names == ("sit_1", "walk_0", "walk_2")
    store, _ = prepare(tmp_path / "raw" / "sit_1.csv", tmp_path / "one", table)
    assert (store.names, store.class_names) == (("sit_1",), ("sit",))


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    table = TableMap.from_plain({"name": "(?P<label>[a-z]+)", "classes": {"walk": "walking"}, "csv": {"header": False}})
    with pytest.raises(UsageError, match=r"map: expected a map of the columns beside --format table; give it by --map"):
        prepare(tmp_path, tmp_path / "out", None)
    with pytest.raises(DataError, match=r"expected a folder with files \*.csv; give the folder of the recordings"):
        prepare(tmp_path, tmp_path / "out", table)
    write(tmp_path / "raw" / "walk.csv", rows(recorded(0)))
    write(tmp_path / "raw" / "run.csv", rows(recorded(0)))
    write(tmp_path / "raw" / "walk2.csv", "1,2,x")
    store, report = prepare(tmp_path / "raw", tmp_path / "out", table)
    assert (store.names, store.class_names) == (("walk",), ("walking",))
    said = "\n".join(map(str, report.skipped))
    assert "run.csv: label: expected a label that classes of the map name, got 'run'; add its name to the map" in said
    assert "walk2.csv:1: expected a row of at least 75 cells, got 3" in said

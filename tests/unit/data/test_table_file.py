"""CSV and JSON files by a map of their columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.data.layout import Layout
from hico_platform.data.table_file import LEFT_OUT, read_table
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError

STICK = Layout(name="stick", joints=("hip", "chest", "head"), parents=(0, 0, 1), centre=0, z_axis=(0, 1), x_axis=(1, 2))
POSE = np.arange(4 * 3 * 3).reshape(4, 3, 3) / 8 + 1
"""(T, J, C)."""
LONG = {"frame": "t", "joint": "j", "columns": "{axis}"}


def read(folder: Path, text: str, **plain: Any) -> np.ndarray:
    """The pose (T, M, J, C)."""
    file = folder / "a.txt"
    file.write_text(text)
    return read_table(file, TableMap.from_plain(plain), STICK)[0]


def wide(pose: np.ndarray = POSE, separator: str = ",") -> str:
    titles = [f"{joint}_{axis}" for joint in STICK.joints for axis in "xyz"]
    rows = [separator.join(map(str, frame.reshape(-1).tolist())) for frame in pose]
    return "\n".join([separator.join(titles), *rows])


def test_a_row_a_frame(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(tmp_path, wide(), csv={})[:, 0], POSE)
    np.testing.assert_array_equal(read(tmp_path, wide(separator=";"), csv={"separator": ";"})[:, 0], POSE)
    bare = wide(separator=" ").split("\n", 1)[1]
    np.testing.assert_array_equal(read(tmp_path, bare, csv={"separator": "space", "header": False})[:, 0], POSE)


def test_numbered_columns_blank_rows_and_more_columns(tmp_path: Path) -> None:
    rows = [",".join(["17", *(f"{x},{y},{z},2" for x, y, z in frame.tolist()), ""]) for frame in POSE]
    text = "\r\n\r\n".join(rows) + "\r\n"
    found = read(tmp_path, text, csv={"header": False, "first": 1, "step": 4})
    np.testing.assert_array_equal(found[:, 0], POSE)


def test_other_names_units_and_axes(tmp_path: Path) -> None:
    text = wide().replace("hip_", "Hips.").replace("chest_", "Chest.").replace("head_", "Head.")
    found = read(
        tmp_path, text, joints=["Hips", "Chest", "Head"], axes=["x", "-z", "y"], unit="cm", scale=2,
        csv={"columns": "{joint}.{axis}"},
    )  # fmt: skip
    np.testing.assert_allclose(found[:, 0], POSE[..., [0, 2, 1]] * [0.02, -0.02, 0.02])


def test_an_empty_cell_is_a_missing_joint(tmp_path: Path) -> None:
    text = wide().replace("1.0,1.125,1.25", ",nan,NA", 1)
    found = read(tmp_path, text, csv={})
    assert np.isnan(found[0, 0, 0]).all()
    assert np.isnan(found).sum() == 3


def test_a_row_of_empty_cells_is_a_frame_in_which_nobody_was_found(tmp_path: Path) -> None:
    head, *rows = wide().split("\n")
    empty = "," * 8
    found = read(
        tmp_path, "\n".join([empty, head, rows[0], empty, rows[1], "", rows[2], empty, empty, rows[3]]), csv={}
    )
    assert len(found) == 7, "a blank line is none, nor is a row above the titles"
    np.testing.assert_array_equal(found[[0, 2, 3, 6], 0], POSE)
    assert np.isnan(found[[1, 4, 5]]).all()


@pytest.mark.parametrize(
    ("numbers", "times"),
    [
        (("7", "8", "11", "12"), [0, 1, 4, 5]),
        (("12", "11", "8", "7"), [5, 4, 1, 0]),
        (("0", "2", "4", "8"), [0, 1, 2, 3]),
        (("0.5", "1.5", "3.5", "4.5"), [0, 1, 2, 3]),
        (("a", "b", "e", "f"), [0, 1, 2, 3]),
        (("0", "1", "2", str(10**9)), [0, 1, 2, 3]),
    ],
    ids=["left out", "in any order", "every other frame", "times", "names", "a jump"],
)
def test_frames_that_a_file_leaves_out_are_frames_in_which_nobody_was_found(
    tmp_path: Path, numbers: tuple[str, ...], times: list[int]
) -> None:
    head, *rows = wide().split("\n")
    file = tmp_path / "a.csv"
    file.write_text("\n".join([f"t,{head}", *(f"{number},{row}" for number, row in zip(numbers, rows, strict=True))]))
    found, remarks = read_table(file, TableMap.from_plain({"csv": {"frame": "t"}}), STICK)
    left_out = max(times) + 1 - len(times)
    assert remarks == ({LEFT_OUT: left_out} if left_out else {})
    assert len(found) == len(times) + left_out
    np.testing.assert_array_equal(found[times, 0], POSE)
    assert np.isnan(np.delete(found, times, axis=0)).all()


def test_an_empty_row_of_a_file_with_a_row_a_joint_says_nothing(tmp_path: Path) -> None:
    rows = [
        f"{t},{joint},{','.join(map(str, POSE[t, j].tolist()))}" for t in (0, 1) for j, joint in enumerate(STICK.joints)
    ]
    rows.insert(3, ",,,,")
    found = read(tmp_path, "\n".join(["t,j,x,y,z", *rows]), csv=LONG)
    np.testing.assert_array_equal(found[:, 0], POSE[:2])


def test_a_row_a_joint_in_any_order_of_bodies(tmp_path: Path) -> None:
    lines = ["time,person,joint,X,Y,Z"]
    for person in ("b", "a"):
        for t in (3, 0, 1, 2):
            lines += [
                f"{t}.5,{person},{joint},{','.join(map(str, (POSE[t, j] + 3 * (person == 'b')).tolist()))}"
                for j, joint in enumerate(STICK.joints)
                if (t, person) != (2, "a")
            ]
    columns = {"columns": "{axis}", "axes": ["X", "Y", "Z"], "frame": "time", "body": "person", "joint": "joint"}
    found = read(tmp_path, "\n".join(lines), csv=columns)
    assert found.shape == (4, 2, 3, 3)
    np.testing.assert_array_equal(found[:, 0], POSE + 3)
    np.testing.assert_array_equal(found[[0, 1, 3], 1], POSE[[0, 1, 3]])
    assert np.isnan(found[2, 1]).all()


def test_zeros_may_mark_a_missing_joint(tmp_path: Path) -> None:
    lines = [f"{t},{m},{','.join(map(str, (POSE[t] + m).reshape(-1).tolist()))}" for m in (0, 1) for t in range(4 - m)]
    lines[1] = lines[1].replace(",".join(map(str, POSE[1, 0].tolist())), "0,0.0,0")
    found = read(tmp_path, "\n".join(lines), missing="zero", csv={"header": False, "first": 2, "frame": 0, "body": 1})
    assert found.shape == (4, 2, 3, 3)
    assert np.isnan(found[1, 0, 0]).all()
    assert np.isnan(found[3, 1]).all()
    assert np.isnan(found).sum() == 12


def test_json_of_bodies_in_frames(tmp_path: Path) -> None:
    frames = [{"t": t, "people": [{"id": 7, "joints": POSE[t].tolist()}]} for t in range(4)]
    frames[2]["people"] = []
    paths = {"frames": "data.frames", "bodies": "people", "body": "id", "joints": "joints", "axes": [0, 1, 2]}
    found = read(tmp_path, json.dumps({"data": {"frames": frames}}), json=paths)
    np.testing.assert_array_equal(found[[0, 1, 3], 0], POSE[[0, 1, 3]])
    assert np.isnan(found[2]).all()


def test_json_of_named_joints(tmp_path: Path) -> None:
    by_key = [
        {j: dict(zip("xyz", frame[i].tolist(), strict=True)) for i, j in enumerate(STICK.joints)} for frame in POSE
    ]
    np.testing.assert_array_equal(read(tmp_path, json.dumps(by_key), json={})[:, 0], POSE)
    listed = [[{"name": j, "at": {"p": frame[j]}} for j in reversed(STICK.joints)] for frame in by_key]
    paths = {"joint": "name", "axes": ["at.p.x", "at.p.y", "at.p.z"]}
    np.testing.assert_array_equal(read(tmp_path, json.dumps(listed), json=paths)[:, 0], POSE)


@pytest.mark.parametrize(
    ("text", "plain", "message"),
    [
        ("hip_x,hip_y\n1,2", {}, r"a.txt:1: hip_z: expected a column of this name, once, got \['hip_x', "),
        (wide().replace("hip_y", "hip_x", 1), {}, "a.txt:1: hip_x: expected a column of this name, once"),
        (wide() + "\n1,2,3", {}, "a.txt:6: expected a row of at least 9 cells, got 3"),
        (wide().replace("1.25", "far", 1), {}, "a.txt:2: column 3: expected a coordinate that is a number, got 'far'"),
        (wide().replace("1.25", "1_0", 1), {}, "a coordinate that is a number, got '1_0'"),
        ('"a', {}, "a.txt: expected a CSV file, got"),
        ("x" * 2**20, {"separator": "space", "header": False}, "a line of fewer than 1048576 characters"),
        ("", {}, "a column of this name, once"),
        ("t,j,x,y,z\n0,tail,1,2,3", LONG, "a.txt:2: joint: expected the name or number of a joint, got 'tail'"),
        ("t,j,x,y,z\n0,0,1,2,3\n0,hip,1,2,3", LONG, "a.txt:3: expected a row that no other row repeats"),
    ],
)  # fmt: skip
def test_a_csv_file_that_does_not_fit_is_named(tmp_path: Path, text: str, plain: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, csv=plain)


@pytest.mark.parametrize(
    ("content", "plain", "message"),
    [
        ({"a": []}, {"frames": "b"}, "a.txt: b: expected a list of frames, got 'NoneType'; correct the map"),
        ([{"bodies": 3}], {"bodies": "bodies"}, r"frames\[0\].bodies: expected a list of bodies"),
        ([{"b": [{"j": []}]}], {"bodies": "b", "joints": "k"}, "k: expected a joint in at least one frame, got 0"),
        ([{"b": [{"j": []}]}], {"bodies": "b", "joints": "j"}, r"frames\[0\].j: expected a list of 3 joints, each"),
        ([{"j": [[1, 2, "3"]] * 3}], {"joints": "j", "axes": [0, 1, 2]}, "a list of 3 joints, each with 0, 1, 2"),
        ([{"j": [[1, 2, 10**400]] * 3}], {"joints": "j", "axes": [0, 1, 2]}, "a list of 3 joints"),
        ([{"j": [[1, 2, 3]] * 3}], {"joints": "j"}, "a joint in at least one frame, got 0; correct joints and axes"),
        ([{"b": [{"j": []}]}], {"bodies": "b", "body": "id", "joints": "j"}, r"\.b\[0\].id: expected a body's id"),
    ],
)  # fmt: skip
def test_a_json_file_that_does_not_fit_is_named(tmp_path: Path, content: Any, plain: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, json.dumps(content), json=plain)


def test_a_map_of_another_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"map.joints: expected names of the 3 joints of stick, got 2; name all of them"
    ):
        read(tmp_path, wide(), joints=["hip", "head"], csv={})

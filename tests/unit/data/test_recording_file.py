"""Recordings in files of their own, as people have them, and what is wrong with others."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.layout import KINECT_V2
from hico_platform.data.layouts import LAYOUTS
from hico_platform.data.recording_file import read_recordings
from hico_platform.data.sequence import Unit
from hico_platform.data.skeleton_file import write_skeleton
from hico_platform.data.table_map import CSVColumns, TableMap
from hico_platform.errors import DataError

POSE = np.random.default_rng(0).normal(size=(6, 2, 25, 3)).astype(np.float32)


def read(file: Path, coordinates: int = 3) -> list[np.ndarray]:
    return [each.pose for each in read_recordings(file, KINECT_V2, coordinates=coordinates)]


@pytest.mark.parametrize("pose", [POSE, POSE[:, 0], POSE.astype(np.float64), (POSE * 1000).astype(np.int32)])
def test_an_array_is_a_recording(tmp_path: Path, pose: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", pose)
    (found,) = read(tmp_path / "a.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, pose.astype(np.float32))


def test_an_archive_has_a_recording_for_each_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=POSE, second=POSE[:3, 0])
    found = read_recordings(tmp_path / "a.npz", KINECT_V2, coordinates=3)
    assert [each.name for each in found] == [f"{tmp_path}/a.npz:first", f"{tmp_path}/a.npz:second"]
    np.testing.assert_array_equal(found[1].pose, POSE[:3, 0])
    np.savez_compressed(tmp_path / "b.npz", POSE)
    np.testing.assert_array_equal(read(tmp_path / "b.npz")[0], POSE)


def test_a_skeleton_file_has_its_bodies_and_nan_where_one_is_absent(tmp_path: Path) -> None:
    pose = POSE.copy()
    pose[2:4, 1] = 0
    write_skeleton(tmp_path / "a.skeleton", pose)
    (found,) = read(tmp_path / "a.skeleton")
    np.testing.assert_array_equal(np.nan_to_num(found), pose)
    assert np.isnan(found[2:4, 1]).all()


@pytest.mark.parametrize("header", ["", ",".join(f"j{i}" for i in range(150)) + "\n", "\n\n"])
def test_a_row_is_a_frame_of_one_or_more_bodies(tmp_path: Path, header: str) -> None:
    rows = [",".join(map(repr, row)) for row in POSE.reshape(6, 150).astype(float).tolist()]
    (tmp_path / "a.csv").write_text(header + "\n".join(rows) + "\n")
    (found,) = read(tmp_path / "a.csv")
    np.testing.assert_array_equal(found, POSE)


def test_an_empty_cell_is_a_missing_joint(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n".join([",".join(["1"] * 50), ",".join(["", "NaN", *["2"] * 48])]))
    (found,) = read(tmp_path / "a.csv", coordinates=2)
    assert found.shape == (2, 1, 25, 2)
    assert np.isnan(found[1, 0, 0]).all()
    assert not np.isnan(found[1, 0, 1:]).any()


def test_a_map_reads_other_tables(tmp_path: Path) -> None:
    titles = ",".join(f"{joint}.{axis}" for joint in KINECT_V2.joints for axis in "zxy")
    rows = [",".join(map(repr, row)) for row in POSE[:, 0].reshape(6, 75).astype(float).tolist()]
    (tmp_path / "a.txt").write_text("\n".join([titles, *rows]))
    table = TableMap(content=CSVColumns(columns="{joint}.{axis}"), files="*.txt", unit=Unit.MM)
    (found,) = read_recordings(tmp_path / "a.txt", KINECT_V2, coordinates=3, table=table)
    np.testing.assert_allclose(found.pose[:, 0], POSE[:, 0][..., [1, 2, 0]] / 1000, rtol=1e-6)


def bomb(file: Path) -> None:
    """An archive whose header announces a terabyte."""
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 1000, 1000, 3), }"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", header + text.ljust(117) + b"\n")


def objects(file: Path) -> None:
    np.savez(file, a=np.array([{"a": 1}], dtype=object))


WRONG = {
    "nothing.npy": (lambda file: None, "expected a file that exists"),
    "folder.npy": (Path.mkdir, "expected a file, got 'a folder, pipe or device'"),
    "text.npy": (lambda file: file.write_text("hello"), "expected an .npy array"),
    "objects.npy": (lambda file: np.save(file, np.array([{}], dtype=object)), "array of objects"),
    "texts.npy": (lambda file: np.save(file, np.array(["a"])), "expected an array of numbers, got '<U1'"),
    "complex.npy": (lambda file: np.save(file, np.ones(3, complex)), "expected an array of numbers"),
    "long.npy": (lambda file: np.save(file, np.zeros((100_001, 1), np.int8)), "at most 100,000 frames"),
    "text.npz": (lambda file: file.write_text("hello"), "expected an .npz archive of arrays, got 'BadZipFile"),
    "empty.npz": (lambda file: zipfile.ZipFile(file, "w").close(), "an archive of 1 to 10,000 arrays, got 0"),
    "objects.npz": (objects, "expected an array of at most 20,000,000 numbers, got 'a.npy: object"),
    "bomb.npz": (bomb, "expected an array of at most 20,000,000 numbers"),
    "empty.skeleton": (lambda file: file.write_text(""), "with content"),
    "nobody.skeleton": (lambda file: file.write_text("2\n0\n0\n"), "shows at least one joint"),
    "short.csv": (lambda file: file.write_text("1,2,3\n"), r"rows of 75 numbers \(25 joints x 3\).*got 3"),
    "uneven.csv": (
        lambda file: file.write_text(",".join(["1"] * 75) + "\n" + ",".join(["1"] * 150)), "2: expected rows of 75"
    ),
    "words.csv": (
        lambda file: file.write_text(",".join(["1"] * 75) + "\n" + ",".join(["1"] * 74 + ["left"])),
        "2: column 75: expected a coordinate that is a number, got 'left'",
    ),
    "header.csv": (lambda file: file.write_text("a,b\n"), "a row for each frame, got 'no row of numbers'"),
    "binary.csv": (lambda file: file.write_bytes(b"\xff\xfe1,2"), "expected a CSV file"),
    "other.mat": (lambda file: file.write_text("x"), "a file that ends in .npy, .npz, .skeleton, .csv"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, name: str) -> None:
    make, why = WRONG[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match=f"{name}.*{why}") as caught:
        read(tmp_path / name)
    assert caught.value.exit_code == 3


def test_a_skeleton_of_another_layout_is_refused(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "a.skeleton", POSE)
    with pytest.raises(DataError, match=r"a recording of the layout coco.*got 'the layout kinect-v2"):
        read_recordings(tmp_path / "a.skeleton", LAYOUTS["coco"], coordinates=3)


def test_a_map_of_another_skeleton_than_the_models_is_refused(tmp_path: Path) -> None:
    """The remedy is one that predict has: it takes no --layout."""
    (tmp_path / "a.csv").write_text("nose_x,nose_y,nose_z\n1,2,3\n")
    table = TableMap(content=CSVColumns(columns="{joint}_{axis}"), files="*.csv", joints=("nose",))
    with pytest.raises(
        DataError, match=r"a\.csv: expected a recording of the 25 joints of kinect-v2, .*got 'a map of 1 joints"
    ):
        read_recordings(tmp_path / "a.csv", KINECT_V2, coordinates=3, table=table)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.data.importing import import_dataset
from hico_platform.data.layout import KINECT_V2
from hico_platform.data.normalise import normalise
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.readers.ntu import read_missing
from hico_platform.data.sequence import nan_where_zero
from hico_platform.data.skeleton_file import write_skeleton
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.errors import DataError


def make(folder: Path, *names: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    poses = {name: rng.standard_normal((6, 2, 25, 3)).astype(np.float32) for name in names}
    for name, pose in poses.items():
        write_skeleton(folder / f"{name}.skeleton", pose)
    return poses


def test_a_folder_becomes_a_store(tmp_path: Path) -> None:
    poses = make(tmp_path / "raw" / "inner", "S001C002P003R001A007", "S001C001P003R002A060", "S002C003P004R001A001")
    import_dataset(tmp_path / "raw", tmp_path / "out", format_name="ntu60")
    store = Store.open(tmp_path / "out")
    assert store.names == tuple(sorted(poses))
    assert store.labels.tolist() == [59, 6, 0]
    assert len(store.class_names) == 60
    for column, values in (
        ("setup", [1, 1, 2]),
        ("camera", [1, 2, 3]),
        ("subject", [3, 3, 4]),
        ("repetition", [2, 1, 1]),
    ):
        got = store.column(column)
        assert got is not None
        assert got.tolist() == values
    np.testing.assert_array_equal(
        store.pose(1), normalise(nan_where_zero(poses["S001C002P003R001A007"]), KINECT_V2).pose
    )
    assert split_store(store, "xview").open_test(Purpose.COUNTS).tolist() == [0]


def test_the_missing_list_with_a_header_is_left_out(tmp_path: Path) -> None:
    make(tmp_path / "raw", "S001C001P001R001A001", "S001C002P005R002A008")
    listed = tmp_path / "missing.txt"
    listed.write_text("Missing skeletons\n\nS001C002P005R002A008\nS001C003P005R002A004.skeleton\n")
    report = import_dataset(
        tmp_path / "raw", tmp_path / "out", format_name="ntu60", options=ReadOptions(missing=listed), strict=True
    )
    assert (report.kept, report.left_out, report.skipped) == (1, 1, ())


def test_the_published_missing_lists(shared_dir: Path) -> None:
    lists = {
        name: read_missing(shared_dir / "data" / "ntu-names" / name)
        for name in ("missing_ntu60_302.txt", "missing_ntu120_535.txt")
    }
    assert [len(names) for names in lists.values()] == [302, 535]
    assert lists["missing_ntu60_302.txt"] < lists["missing_ntu120_535.txt"]


def test_names_and_labels_that_do_not_fit_are_skipped(tmp_path: Path) -> None:
    make(tmp_path / "raw", "S001C001P001R001A001", "S001C001P001R001A061", "walk")
    make(tmp_path / "raw" / "again", "S001C001P001R001A001")
    report = import_dataset(tmp_path / "raw", tmp_path / "out", format_name="ntu60")
    said = "\n".join(map(str, report.skipped))
    assert (report.read, report.kept) == (4, 1)
    assert "A061.skeleton: label: expected an action of ntu60, 1 to 60, got 61; use --format ntu120" in said
    assert "walk.skeleton: expected a name like SsssCcccPpppRrrrAaaa.skeleton" in said
    assert (
        "name: expected a name that no other sequence has, got 'S001C001P001R001A001'; "
        "rename or remove one of the two; the one kept is of" in said
    )


def test_no_body_in_any_frame_is_skipped(tmp_path: Path) -> None:
    make(tmp_path / "raw", "S001C001P001R001A001")
    (tmp_path / "raw" / "S001C001P001R001A002.skeleton").write_text("2\n0\n0\n")
    report = import_dataset(tmp_path / "raw", tmp_path / "out", format_name="ntu120")
    assert "A002.skeleton:2: expected a recording of at least one body, got 0" in str(report.skipped[0])


def test_what_is_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder of \.skeleton files; give the folder"):
        FORMATS["ntu60"](tmp_path, ReadOptions()).plan()
    with pytest.raises(DataError, match=r"a folder; give the folder of the \.skeleton files"):
        FORMATS["ntu60"](tmp_path / "absent", ReadOptions())
    (tmp_path / "list.txt").write_text("nothing\n")
    with pytest.raises(DataError, match="a list of names like S001C002P005R002A008, one a line"):
        read_missing(tmp_path / "list.txt")
    with pytest.raises(DataError, match=r"absent\.txt: expected a text file, got 'No such file or directory'; "):
        read_missing(tmp_path / "absent.txt")

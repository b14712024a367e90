"""Untrimmed recordings, cut by windows or by the rows of a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hico_platform.cli.main import main
from hico_platform.data.importing import import_dataset
from hico_platform.data.overlap import Chosen, overlapping
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.readers.windows import window_starts
from hico_platform.data.sequence import Sequence
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError

POSE = np.random.default_rng(0).standard_normal((10, 2, 25, 3)).astype(np.float32)


def read_all(folder: Path, manifest: str, **options: Any) -> list[Sequence]:
    (folder / "manifest.csv").write_text(manifest)
    source = FORMATS["manifest"](folder, ReadOptions(**options))
    plan = source.plan()
    assert not plan.problems
    return [one for item in plan.items for one in source.read(item) if isinstance(one, Sequence)]


@pytest.mark.parametrize(
    ("frames", "window", "stride", "starts"),
    [
        (10, 4, 3, [0, 3, 6]),
        (10, 4, 4, [0, 4, 6]),
        (11, 4, 4, [0, 4, 7]),
        (12, 4, 4, [0, 4, 8]),
        (4, 4, 1, [0]),
        (3, 4, 2, [0]),
        (10, 2, 7, [0, 7, 8]),
    ],
)
def test_windows_reach_from_the_first_frame_to_the_last(
    frames: int, window: int, stride: int, starts: list[int]
) -> None:
    assert window_starts(frames, window=window, stride=stride) == starts


def test_windows_of_a_recording(tmp_path: Path) -> None:
    pose = POSE.copy()
    pose[:6, 1] = np.nan
    np.save(tmp_path / "a.npy", pose)
    first, second, third = read_all(tmp_path, "path,label,subject\na.npy,3,7\n", window=4)
    assert [one.name for one in (first, second, third)] == ["a.w000000", "a.w000004", "a.w000006"]
    assert [one.label for one in (first, second, third)] == [3, 3, 3]
    assert first.metadata == {"video": "a", "subject": 7, "window": 0}
    assert (first.pose.shape, third.pose.shape) == ((4, 1, 25, 3), (4, 2, 25, 3))
    np.testing.assert_array_equal(second.pose, pose[4:8])


def test_windows_without_anybody_are_left_out_and_counted(tmp_path: Path) -> None:
    pose = POSE.copy()
    pose[:5] = np.nan
    np.save(tmp_path / "a.npy", pose)
    found = read_all(tmp_path, "path\na.npy\n", window=2, stride=2)
    assert [one.metadata["window"] for one in found] == [4, 6, 8]
    assert [dict(one.remarks) for one in found] == [{"windows without anybody": 2}, {}, {}]
    assert found[0].label is None


def test_rows_cut_a_recording(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POSE)
    rows = "path,start,end,label\na.npy,0,4,0\na.npy,4,10,1\na.npy,,,1\n"
    first, second, whole = read_all(tmp_path, rows)
    assert [one.name for one in (first, second, whole)] == ["a.0-4", "a.4-10", "a"]
    np.testing.assert_array_equal(second.pose, POSE[4:])
    assert first.metadata == {"video": "a.npy", "start": 0, "end": 4}
    assert (len(whole.pose), whole.metadata) == (10, {"video": "a.npy", "start": None, "end": None})


def test_rows_with_a_video_of_their_own_keep_it_and_name_the_recording(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POSE)
    first, second = read_all(tmp_path, "path,start,end,video\na.npy,0,4,7\na.npy,4,10,\n")
    assert (first.metadata["video"], first.metadata["recording"]) == (7, "a.npy")
    assert second.metadata["video"] == "a.npy"
    (window,) = read_all(tmp_path, "path,video\na.npy,\n", window=10)
    assert window.metadata["video"] == "a"


def test_a_row_with_a_start_alone_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POSE)
    with pytest.raises(DataError, match=r"within 0 to 10, or neither, got '4 to None'"):
        read_all(tmp_path, "path,start,end\na.npy,4,\na.npy,0,4\n")


@pytest.mark.parametrize("more", ["", ",subject"])
def test_a_whole_recording_is_not_pretrained_on_where_a_part_of_it_is_tested(tmp_path: Path, more: str) -> None:
    lines = [f"path,start,end,label,split{more}"]
    for i in range(9):
        np.save(tmp_path / f"{i}.npy", POSE + i)
        part = "test" if i < 3 else "train"
        lines += [f"{i}.npy,0,4,{i % 2},{part}{more and f',{i}'}", f"{i}.npy,,,,unlabelled{more and ','}"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    import_dataset(tmp_path, tmp_path / "out", format_name="manifest", options=ReadOptions())
    store = Store.open(tmp_path / "out")
    split = split_store(store, "given")
    assert [store.names[i] for i in split.open_test(Purpose.COUNTS)] == ["0.0-4", "1.0-4", "2.0-4"]
    joined = {store.names[i] for i in split.pretrain_only_in_retraining}
    assert joined == set("345678")


def test_rows_that_share_frames_are_one_recording_for_the_check_of_overlap(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POSE)
    np.save(tmp_path / "b.npy", POSE + 1)
    rows = "path,start,end\na.npy,0,4\na.npy,4,10\na.npy,3,6\nb.npy,0,10\na.npy,,\n"
    (tmp_path / "manifest.csv").write_text(rows)
    import_dataset(tmp_path, tmp_path / "out", format_name="manifest", options=ReadOptions())
    store = Store.open(tmp_path / "out")

    def shared(trained: int) -> list[str]:
        others = np.setdiff1d(np.arange(5), trained)
        return overlapping(Chosen(store=store, indices=np.array([trained])), Chosen(store=store, indices=others))

    assert shared(0) == ["a.3-6", "a"]
    assert shared(1) == ["a.3-6", "a"]
    assert shared(3) == []
    assert shared(4) == ["a.0-4", "a.4-10", "a.3-6"]


@pytest.mark.parametrize(("start", "end"), [(4, 4), (-1, 3), (0, 11), (0.5, 3)])
def test_rows_outside_the_recording_are_named(tmp_path: Path, start: float, end: int) -> None:
    np.save(tmp_path / "a.npy", POSE)
    with pytest.raises(
        DataError, match=r"manifest.csv:2: start: expected a first and an end frame, within 0 to 10, or neither, got"
    ):
        read_all(tmp_path, f"path,start,end,label\na.npy,{start},{end},0\n")


def test_rows_name_csv_files_beside_a_map(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POSE)
    text = "\n".join(",".join(map(str, frame.reshape(-1).tolist())) for frame in POSE[:, 0] * 100)
    (tmp_path / "b.csv").write_text(text)
    table = TableMap.from_plain({"unit": "cm", "csv": {"header": False}})
    array, cut = read_all(tmp_path, "path,start,end,label\na.npy,,,0\nb.csv,2,5,1\n", map=table)
    np.testing.assert_array_equal(array.pose, POSE)
    np.testing.assert_allclose(cut.pose[:, 0], POSE[2:5, 0], rtol=1e-6)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for subject in range(4):
        np.save(tmp_path / f"{subject}.npy", POSE + subject)
    (tmp_path / "manifest.csv").write_text("path,label\n" + "".join(f"{i}.npy,{i % 2}\n" for i in range(4)))
    words = ["data", "prepare", "--format", "manifest", "--raw", str(tmp_path), "--out", str(tmp_path / "out"),
             "--workers", "1", "--layout", "kinect-v2", "--accept-implausible"]  # fmt: skip
    assert main([*words, "--window", "0"]) == 2
    assert main([*words, "--stride", "2"]) == 2
    assert "window: expected a number of frames beside --stride; give --window" in capsys.readouterr().err
    assert main([*words, "--window", "4", "--stride", "3"]) == 0
    assert "read 12, kept 12" in capsys.readouterr().out

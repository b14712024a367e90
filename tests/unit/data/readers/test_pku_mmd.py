from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hico_platform.data.importing import import_dataset
from hico_platform.data.readers import FORMATS, ReadOptions
from hico_platform.data.readers.pku_mmd import PKUMMD, open_part_1
from hico_platform.data.sequence import Sequence
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.errors import DataError, Problem

RNG = np.random.default_rng(0)


def make(
    folder: Path, name: str, frames: int = 30, labels: str = "1,1,10,2\n51,11,30,1\n", skeletons: str = "Skeleton"
) -> np.ndarray:
    pose = RNG.standard_normal((frames, 150)).round(4)
    for inner, text in (
        (skeletons, "\n".join(" ".join(map(str, row)) for row in pose.tolist()) + "\n"),
        ("Label", labels),
    ):
        (folder / inner).mkdir(parents=True, exist_ok=True)
        (folder / inner / f"{name}.txt").write_text(text)
    return pose


def read(folder: Path) -> list[Sequence | Problem]:
    source = open_part_1(folder, ReadOptions())
    return [found for item in source.plan().items for found in source.read(item)]


def test_a_video_is_cut_by_its_rows(tmp_path: Path) -> None:
    pose = make(tmp_path, "0002-L")
    first, second = read(tmp_path)
    assert isinstance(first, Sequence)
    assert isinstance(second, Sequence)
    np.testing.assert_array_equal(first.pose, pose[:10].reshape(10, 2, 25, 3).astype(np.float32))
    assert (first.label, second.label, second.pose.shape) == (0, 50, (20, 2, 25, 3))
    assert (first.name, second.name) == ("0002-L.001", "0002-L.002")
    assert second.metadata == {"video": "0002", "camera": 1, "start": 11, "confidence": 1}


def test_a_row_that_ends_before_it_starts_is_skipped_and_named(tmp_path: Path) -> None:
    make(tmp_path, "0043-L", labels="1,4925,4036,2\n\n2,5,90,0\n")
    bad, kept = read(tmp_path)
    assert f"{tmp_path}/Label/0043-L.txt:1: expected a row that ends after it starts, got '1,4925,4036,2'" in str(bad)
    assert isinstance(kept, Sequence)
    assert len(kept.pose) == 26


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,1,5,2", "a class, 1 to 51, got 0"),
        ("52,1,5,2", "a class, 1 to 51, got 52"),
        ("1,-1,5,2", "a row that starts within the video, frame 1 to 30, got '1,-1,5,2'"),
        ("1,0,0,2", "a row that ends after it starts, got '1,0,0,2'"),
        ("1,31,35,2", "a row that starts within the video, frame 1 to 30"),
        ("1,1,5", "a label row of four whole numbers: class,start,end,confidence, got '1,1,5'"),
        ("1,1,x,2", "a label row of four whole numbers"),
        ("1,1,5.5,2", "a label row of four whole numbers"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    make(tmp_path, "0002-L", labels=f"1,1,5,2\n{row}\n1,6,9,2\n")
    found = read(tmp_path)
    assert [isinstance(one, Problem) for one in found] == [False, True, False]
    assert f"Label/0002-L.txt:2: expected {message}" in str(found[1])


def test_rows_that_are_many_times_the_video_are_cut_short(tmp_path: Path) -> None:
    make(tmp_path, "0002-L", labels="1,1,30,2\n" * 12)
    found = read(tmp_path)
    assert [isinstance(one, Problem) for one in found] == [False] * 10 + [True] * 2
    assert "Label/0002-L.txt:11: expected rows that are together at most 10 times as long as the video, got 330" in str(
        found[10]
    )


def test_a_row_that_ends_before_it_starts_and_lists_beyond_measure(tmp_path: Path) -> None:
    make(tmp_path, "0002-L", labels="1,9,3,2\n1,6,9,2\n")
    (bad, good) = read(tmp_path)
    assert (
        "Label/0002-L.txt:1: expected a row that ends after it starts, got '1,9,3,2'; "
        "correct the row, which is left out" in str(bad)
    )
    assert isinstance(good, Sequence)
    (tmp_path / "Label" / "0002-L.txt").write_text("1,1,2,2\n" * 200_000)
    with pytest.raises(
        DataError, match=r"0002-L.txt: expected a file of label rows or of a split of at most 1048576 bytes"
    ):
        read(tmp_path)


def test_a_coordinate_out_of_reach_is_named_with_its_line(tmp_path: Path) -> None:
    make(tmp_path, "0002-L")
    file = tmp_path / "Skeleton" / "0002-L.txt"
    file.write_text(file.read_text().replace("\n", "\n99999", 1).replace("99999-", "99999"))
    with pytest.raises(DataError, match=r"0002-L.txt:2: expected a coordinate within 10000 metres, got '99999"):
        read(tmp_path)


def test_empty_stretches_are_named(tmp_path: Path) -> None:
    make(tmp_path, "0002-L", labels="1,1,2,2\n")
    (tmp_path / "Skeleton" / "0002-L.txt").write_text("\n".join([" ".join(["0"] * 150)] * 4))
    (found,) = read(tmp_path)
    assert "Label/0002-L.txt:1: expected a recording that shows at least one joint" in str(found)


def test_a_number_with_a_plus_is_a_number(tmp_path: Path) -> None:
    pose = make(tmp_path, "0002-L")
    file = tmp_path / "Skeleton" / "0002-L.txt"
    file.write_text(file.read_text().replace("\n", "\n+", 1).replace("+-", "-"))
    (first, _) = read(tmp_path)
    assert isinstance(first, Sequence)
    np.testing.assert_array_equal(first.pose, pose[:10].reshape(10, 2, 25, 3).astype(np.float32))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda text: text.replace(" ", " x", 1), ":1: expected a coordinate that is a finite number, got 'x"),
        (lambda text: text.replace("\n", "\nnan ", 1), ":2: expected a coordinate that is a finite number, got 'nan'"),
        (lambda text: text[:-20], ":30: expected a frame of 150 numbers, got 14"),
        (lambda text: "", ":1: expected a video of at least one frame"),
        (lambda text: "\u0661\n", ":1: expected a coordinate that is a finite number"),
        (lambda text: "\x00\x01\n", ":1: expected a coordinate that is a finite number"),
    ],
)
def test_a_damaged_video_is_named(tmp_path: Path, harm, message: str) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path, "0002-L")
    file = tmp_path / "Skeleton" / "0002-L.txt"
    file.write_text(harm(file.read_text()))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


SPLIT = "Training videos:\n{train}\nValidataion videos:\n{val}\n"


def two_parts(folder: Path) -> None:
    """Both parts under one folder, each with its split file, which has the same name."""
    for name in ("0002-L", "0003-M", "0004-R"):
        make(folder / "part1", name)
    for name in ("A01N01-L", "A01N02-L", "A02N01-R"):
        make(folder / "part2", name)
    (folder / "part1" / "cross-subject.txt").write_text(SPLIT.format(train="0002-L, 0003-M", val="0004-R"))
    (folder / "part2" / "cross_subject_v2.txt").write_text(SPLIT.format(train="A01N01-L, A01N02-L", val="A02N01-R"))


def test_each_part_takes_its_own_files_and_counts_the_others(tmp_path: Path) -> None:
    two_parts(tmp_path / "raw")
    for dataset, kept, other in (("pku-mmd-1", 6, "pku-mmd-2"), ("pku-mmd-2", 6, "pku-mmd-1")):
        report = import_dataset(tmp_path / "raw", tmp_path / dataset, format_name=dataset)
        assert report.kept == kept
        assert report.remarks == {f"files of {other}, not read": 6, f"split files of {other}, not read": 1}
        assert len(split_store(Store.open(tmp_path / dataset), "xsub").open_test(Purpose.COUNTS)) == 2


def test_a_folder_of_the_other_part_is_named(tmp_path: Path) -> None:
    make(tmp_path, "A01N01-L")
    with pytest.raises(
        DataError, match=r"of pku-mmd-1 and labels, .*, got 'videos of pku-mmd-2'; use --format pku-mmd-2"
    ):
        open_part_1(tmp_path, ReadOptions()).plan()


def test_a_row_at_frame_0_is_cut_from_the_first_and_counted(tmp_path: Path) -> None:
    pose = make(tmp_path, "0002-L", labels="1,0,10,2\n2,11,30,1\n")
    first, second = read(tmp_path)
    assert isinstance(first, Sequence)
    assert isinstance(second, Sequence)
    np.testing.assert_array_equal(first.pose, pose[:10].reshape(10, 2, 25, 3).astype(np.float32))
    assert first.metadata["start"] == 1
    assert "label rows that start at frame 0, cut from the first frame" in first.remarks
    assert set(second.remarks) == {"sequences that no split file lists"}


def test_rows_as_numpy_writes_them_and_files_with_a_bom(tmp_path: Path) -> None:
    make(tmp_path, "0002-L", labels="")
    np.savetxt(tmp_path / "Label" / "0002-L.txt", [[1, 1, 10, 2], [51, 11, 30, 1]], delimiter=",")
    file = tmp_path / "Skeleton" / "0002-L.txt"
    file.write_text(file.read_text(), encoding="utf-8-sig")
    assert [found.label for found in read(tmp_path) if isinstance(found, Sequence)] == [0, 50]
    (tmp_path / "Label" / "0002-L.txt").write_text("1,1,10,2\n", encoding="utf-16")
    with pytest.raises(
        DataError, match=r"0002-L.txt:1: expected a text file in UTF-8, got 'a text in UTF-16'; save it"
    ):
        read(tmp_path)


def test_files_are_told_apart_by_content_where_folders_do_not_say(tmp_path: Path) -> None:
    make(tmp_path, "0002-L", skeletons="a")
    (tmp_path / "Label").rename(tmp_path / "b")
    assert len(read(tmp_path)) == 2


def test_videos_and_labels_without_each_other(tmp_path: Path) -> None:
    make(tmp_path, "0002-L")
    make(tmp_path, "0003-L")
    make(tmp_path, "0004-L")
    (tmp_path / "Label" / "0003-L.txt").unlink()
    (tmp_path / "Skeleton" / "0004-L.txt").unlink()
    plan = open_part_1(tmp_path, ReadOptions()).plan()
    assert len(plan.items) == 1
    assert "Skeleton/0003-L.txt: expected a file of label rows of the same name as this video" in str(plan.problems[0])
    assert "Label/0004-L.txt: expected a video of the same name as these label rows" in str(plan.problems[1])


def test_a_video_on_both_sides_and_no_videos_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder with videos of pku-mmd-1 and labels, named like 0002-L\.txt; give"):
        open_part_1(tmp_path, ReadOptions()).plan()
    with pytest.raises(DataError, match="a folder"):
        FORMATS["pku-mmd-2"](tmp_path / "absent", ReadOptions())
    (tmp_path / "cross-subject.txt").write_text("Training videos:\n0002-L\nValidataion videos:\n0002-L\n")
    with pytest.raises(
        DataError,
        match=r"cross-subject.txt:4: expected a video in one part alone, training or validation, got '0002-L'",
    ):
        open_part_1(tmp_path, ReadOptions())


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(labels=st.text(max_size=60) | st.binary(max_size=60), skeleton=st.binary(max_size=200))
def test_anything_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, labels: str | bytes, skeleton: bytes
) -> None:
    folder = tmp_path_factory.mktemp("pku")
    make(folder, "0002-L", frames=3)
    make(folder, "0003-L", frames=3)
    raw = labels.encode("utf-8", "surrogatepass") if isinstance(labels, str) else labels
    (folder / "Label" / "0002-L.txt").write_bytes(raw)
    (folder / "Skeleton" / "0003-L.txt").write_bytes(skeleton)
    source: PKUMMD = open_part_1(folder, ReadOptions())
    for item in source.plan().items:
        try:
            list(source.read(item))
        except DataError as error:
            assert error.problems[0].line is not None  # noqa: PT017

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.data.importing import import_dataset
from hico_platform.data.readers import ReadOptions
from hico_platform.data.readers.pku_mmd import open_part_1
from hico_platform.data.split import split_store
from hico_platform.data.split_guard import Purpose
from hico_platform.data.store import Store
from hico_platform.errors import DataError
from tests.unit.data.readers.test_pku_mmd import SPLIT, make, two_parts


def test_splits_become_protocols(tmp_path: Path) -> None:
    for name in ("A01N01-L", "A01N02-M", "A02N01-R", "A03N01-L"):
        make(tmp_path, name, skeletons="PKU_Skeleton_v2")
    split = "Training videos:\nA01N01-L, A01N02-M, A02N01-R, \nValidataion videos:\nA03N01-L\n"
    (tmp_path / "Split").mkdir()
    (tmp_path / "Split" / "cross-subject.txt").write_text(split)
    (tmp_path / "Split" / "cross-view.txt").write_text(split.replace("A01N02-M, ", ""))
    report = import_dataset(tmp_path, tmp_path / "out", format_name="pku-mmd-2")
    store = Store.open(tmp_path / "out")
    assert (report.kept, len(store.class_names), store.dataset) == (8, 51, "pku-mmd-2")
    xsub = split_store(store, "xsub")
    assert (len(xsub.train_and_val), len(xsub.open_test(Purpose.COUNTS)), xsub.val_by) == (6, 2, "video")
    assert len(split_store(store, "xview").train_and_val) == 4


def test_a_split_of_the_other_part_is_told_by_its_videos(tmp_path: Path) -> None:
    make(tmp_path, "0002-L")
    (tmp_path / "cross_view_v1.txt").write_text(SPLIT.format(train="A01N01-M", val="A01N01-L"))
    report = import_dataset(tmp_path, tmp_path / "out", format_name="pku-mmd-1")
    assert Store.open(tmp_path / "out").protocols == {}
    assert report.remarks == {"split files of pku-mmd-2, not read": 1, "sequences that no split file lists": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPLIT.format(train="*-M, *-R", val="*-L"),
         r"cross-view.txt:2: expected the name of a video with its view, such as 0002-L or A01N01-L, got '\*-M'; "
         "name each video: patterns are not expanded"),
        (SPLIT.format(train="0002-L,", val="A01N01-L"), "cross-view.txt:4: expected a video of pku-mmd-1, as those"),
        (SPLIT.format(train="", val=""), "cross-view.txt: expected a split file that lists videos, got 0"),
        (SPLIT.format(train="0002-L, 0003-M", val="0003-M"), "cross-view.txt:4: expected a video in one part alone"),
    ],
)  # fmt: skip
def test_a_split_file_that_lists_no_videos_is_named(tmp_path: Path, text: str, message: str) -> None:
    make(tmp_path, "0002-L")
    (tmp_path / "cross-view.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        open_part_1(tmp_path, ReadOptions())


def test_two_different_splits_of_a_protocol_are_refused(tmp_path: Path) -> None:
    two_parts(tmp_path)
    copy = tmp_path / "part1" / "cross-subject-copy.txt"
    copy.write_text((tmp_path / "part1" / "cross-subject.txt").read_text())
    assert set(open_part_1(tmp_path, ReadOptions()).protocols) == {"xsub"}
    copy.write_text(SPLIT.format(train="0004-R", val="0002-L"))
    with pytest.raises(DataError, match=r"expected one split for the protocol xsub, got 'another one in .*copy\.txt"):
        open_part_1(tmp_path, ReadOptions())


def test_a_split_with_a_test_part_a_bom_and_names_of_files(tmp_path: Path) -> None:
    two_parts(tmp_path)
    text = SPLIT.format(train="0002-L.txt", val="0003-M.txt") + "Testing videos:\n0004-R.txt\n"
    (tmp_path / "part1" / "cross-subject.txt").write_text(text, encoding="utf-8-sig")
    import_dataset(tmp_path, tmp_path / "out", format_name="pku-mmd-1")
    split = split_store(Store.open(tmp_path / "out"), "xsub")  # train, val and test are two sequences each
    assert (split.train.tolist(), split.val.tolist(), split.open_test(Purpose.COUNTS).tolist()) == (
        [0, 1],
        [2, 3],
        [4, 5],
    )

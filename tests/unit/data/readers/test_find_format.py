"""What a folder or a file is, told from its names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hico_platform.cli.main import main
from hico_platform.data.readers import FORMATS, ReadOptions, find_format
from hico_platform.data.table_map import TableMap
from hico_platform.errors import DataError
from tests.fuzz.fuzz_readers import FORMAT_OF, MAKERS, OPTIONS

UNLIKE = {"ntu120": "ntu60"}
"""A maker whose small dataset looks like another format."""


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_every_format_is_recognised(tmp_path: Path, maker: str) -> None:
    raw = MAKERS[maker](tmp_path, np.random.default_rng(2))
    wanted = FORMAT_OF.get(maker, maker)
    found, why = find_format(raw, OPTIONS.get(maker, ReadOptions()))
    assert found == UNLIKE.get(wanted, wanted)
    assert why


def test_actions_and_setups_tell_ntu_120(tmp_path: Path) -> None:
    (tmp_path / "S001C001P001R001A001.skeleton").touch()
    assert find_format(tmp_path, ReadOptions()) == ("ntu60", "S001C001P001R001A001.skeleton")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "S018C001P001R001A061.skeleton").touch()
    assert find_format(tmp_path, ReadOptions()) == ("ntu120", "S018C001P001R001A061.skeleton")


def test_several_and_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="format: expected files of one format, got 'none that is known'; name it by"):
        find_format(tmp_path, ReadOptions())
    with pytest.raises(DataError, match="absent: raw: expected a file or folder that exists; check the path"):
        find_format(tmp_path / "absent", ReadOptions())
    (tmp_path / "manifest.csv").write_text("path,label\n")
    (tmp_path / "a.bvh").touch()
    with pytest.raises(
        DataError, match=r"'bvh \(a.bvh\), manifest \(manifest.csv\)'; name it by --format bvh or manifest"
    ):
        find_format(tmp_path, ReadOptions())


def test_each_format_tells_itself() -> None:
    assert all(callable(one.recognises) for one in FORMATS.values())


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = MAKERS["ntu60"](tmp_path, np.random.default_rng(0))
    words = ["data", "prepare", "--format", "auto", "--raw", str(raw), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "format ntu60: S001C001P001R001A00" in said.err
    assert "kept 2" in said.out
    assert main([*words[:4], "--raw", str(tmp_path / "out"), *words[6:]]) == 3


def test_a_manifest_beside_the_tables_that_a_map_reads_is_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na.csv,0\n")
    (tmp_path / "a.csv").write_text("nose_x,nose_y,nose_z\n1,2,3\n")
    assert find_format(tmp_path, ReadOptions(map=TableMap.from_plain({"files": "*.csv", "csv": {}})))[0] == "manifest"

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.writable import check_free, check_writable


def check(folder: Path) -> None:
    check_writable(folder, rule="a folder for results", remedy="give another --out")


def test_a_folder_that_is_there_and_one_that_is_yet_to_be_made_are_accepted_and_nothing_is_made(tmp_path: Path) -> None:
    check(tmp_path)
    check(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_a_relative_folder_is_looked_for_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    check(Path("new"))
    with pytest.raises(UsageError):
        check(Path("file/new"))


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "new"):
        with pytest.raises(UsageError) as raised:
            check(folder)
        assert str(raised.value) == (
            f"{tmp_path}/file: expected a folder for results, got 'a file'; give another --out"
        )


@pytest.mark.parametrize("lacking", [os.W_OK, os.X_OK])
def test_the_nearest_folder_that_is_there_must_be_writable(
    tmp_path: Path, lacking: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user who lacks one right of it (the tests may run as root, who has all)."""
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & lacking)
    with pytest.raises(UsageError, match=rf"{tmp_path}: expected a folder for results, got 'a folder that may only"):
        check(tmp_path / "new" / "deeper")


def test_a_path_where_something_is_is_not_written_over(tmp_path: Path) -> None:
    check_free(tmp_path / "new")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(UsageError, match="out: expected a path where nothing is yet"):
            check_free(path)

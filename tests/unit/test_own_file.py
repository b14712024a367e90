"""Nobody else decides which file is written to where another account may write to the folder too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hico_platform import own_file
from hico_platform.errors import UsageError
from hico_platform.own_file import open_own_file

RULE = "expected a file of your own, no link"


def refusal(file: Path) -> str:
    with pytest.raises(UsageError, match=RULE) as raised:
        os.close(open_own_file(file))
    return str(raised.value)


def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        os.close(open_own_file(tmp_path / "lock"))
    finally:
        os.umask(before)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o640


def test_a_file_is_read_and_written_as_it_was_left(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("before")
    with os.fdopen(open_own_file(tmp_path / "lock"), "r+") as handle:
        assert handle.read() == "before"
        handle.write(" and after")
    assert (tmp_path / "lock").read_text() == "before and after"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("a user's")
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    for name in ("lock", "dangling"):
        assert f"{tmp_path / name}: {RULE}, got 'a link" in refusal(tmp_path / name)
    assert (tmp_path / "target").read_text() == "a user's"
    assert not (tmp_path / "none").exists()


def test_a_second_name_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "lock").hardlink_to(tmp_path / "target")
    assert "one with a second name" in refusal(tmp_path / "lock")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert "a folder or something else" in refusal(tmp_path / "folder")
    assert "no file" in refusal(tmp_path / "pipe")


def test_a_file_of_another_account_is_refused_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lock").touch()
    monkeypatch.setattr(own_file, "is_own_or_roots", lambda uid: False)
    before = len(os.listdir("/proc/self/fd"))
    assert f"one of the user {os.geteuid()}" in refusal(tmp_path / "lock")
    assert len(os.listdir("/proc/self/fd")) == before


def test_another_error_of_the_system_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_own_file(tmp_path / "none" / "lock")

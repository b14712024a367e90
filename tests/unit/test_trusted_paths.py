from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from hico_platform.trusted_paths import UntrustedPath, open_trusted, trusted_folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
ANOTHER = 61234


@pytest.fixture
def group_members(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom the group of files made here has as members; it bears this user's name."""
    user = pwd.getpwuid(os.geteuid())
    members = ["somebody-else"]
    own = grp.struct_group((user.pw_name, "x", user.pw_gid, members))
    monkeypatch.setattr(grp, "getgrgid", lambda group: own if group == user.pw_gid else grp.getgrnam("daemon"))
    return members


def test_what_is_missing_is_made_closed_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = trusted_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [each.stat().st_mode & 0o777 for each in (folder, folder.parent)] == [0o700, 0o700]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_folder_or_one_above_it_that_others_may_write_is_refused(
    tmp_path: Path, mode: int, above: int, group_members: list[str]
) -> None:
    folder = trusted_folder(tmp_path / "a" / "b" / "c")
    opened = (folder, *folder.parents)[above]
    opened.chmod(mode)
    with pytest.raises(UntrustedPath, match=rf"{opened} \(mode 0{mode:o}\); chmod go-w {opened}"):
        trusted_folder(folder)


def test_a_sticky_folder_above_passes_and_a_sticky_cache_does_not(tmp_path: Path) -> None:
    folder = trusted_folder(tmp_path / "a" / "b")
    folder.parent.chmod(0o1777)
    assert trusted_folder(folder) == folder
    folder.chmod(0o1777)
    with pytest.raises(UntrustedPath):
        trusted_folder(folder)


@needs_root
@pytest.mark.parametrize("above", [0, 1, 2])
def test_a_folder_of_another_account_is_refused(tmp_path: Path, above: int) -> None:
    folder = trusted_folder(tmp_path / "a" / "b" / "c")
    os.chown((folder, *folder.parents)[above], ANOTHER, -1)
    with pytest.raises(UntrustedPath, match=f"belongs to the user {ANOTHER}"):
        trusted_folder(folder)


@needs_root
def test_what_another_account_made_in_a_sticky_folder_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "squatted" / "cache").mkdir(parents=True, mode=0o700)
    os.chown(shared / "squatted", ANOTHER, -1)
    with pytest.raises(UntrustedPath, match=f"squatted belongs to the user {ANOTHER}"):
        trusted_folder(shared / "squatted" / "cache")


def test_folders_are_judged_where_links_lead(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / "cache").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "open" / "cache")
    with pytest.raises(UntrustedPath, match="open"):
        trusted_folder(tmp_path / "link")


@needs_root
def test_a_group_of_this_user_alone_may_write_and_no_other(tmp_path: Path, group_members: list[str]) -> None:
    folder = trusted_folder(tmp_path / "a" / "b")
    folder.parent.chmod(0o775)
    group_members[:] = []
    assert trusted_folder(folder) == folder
    os.chown(folder.parent, -1, ANOTHER)
    with pytest.raises(UntrustedPath, match="mode 0775"):
        trusted_folder(folder)


def test_a_file_that_others_may_write_a_link_and_a_pipe_are_refused(tmp_path: Path, group_members: list[str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"data")
    file.chmod(0o620)
    with pytest.raises(UntrustedPath, match="mode 0620"):
        open_trusted(file)
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(OSError, match="symbolic"):
        open_trusted(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UntrustedPath, match="no regular file"):
        open_trusted(tmp_path / "pipe")
    file.chmod(0o600)
    os.close(open_trusted(file))


@needs_root
def test_a_file_of_another_account_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    os.chown(tmp_path / "file", ANOTHER, -1)
    with pytest.raises(UntrustedPath, match=f"belongs to the user {ANOTHER}"):
        open_trusted(tmp_path / "file")

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hico_platform.cli import access_token as module
from hico_platform.cli.access_token import access_token
from hico_platform.errors import UsageError

TOKEN = "a-token_of.more~than-20"


def written(file: Path, content: str = TOKEN, *, mode: int = 0o600) -> Path:
    file.write_text(content)
    file.chmod(mode)
    return file


def refusal(file: Path) -> str:
    with pytest.raises(UsageError, match=r"--token-file: expected a file of this user with a token, got") as raised:
        access_token(file)
    return str(raised.value)


def test_without_a_file_each_is_a_new_one() -> None:
    tokens = {access_token(None) for _ in range(8)}
    assert len(tokens) == 8
    assert min(map(len, tokens)) >= 40


def test_a_missing_file_is_made_for_this_user_alone_and_read_again(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        token = access_token(tmp_path / "token")
    finally:
        os.umask(before)
    assert len(token) >= 40
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert access_token(tmp_path / "token") == token


def test_a_token_of_ones_own(tmp_path: Path) -> None:
    assert access_token(written(tmp_path / "token", f"\n{TOKEN} \n")) == TOKEN
    assert access_token(written(tmp_path / "least", "x" * 20)) == "x" * 20


@pytest.mark.parametrize("content", ["", "x" * 19, f"{TOKEN} {TOKEN}", f"{TOKEN}/", f"{TOKEN}é"])
def test_a_file_without_a_token(tmp_path: Path, content: str) -> None:
    assert "one without a token of at least 20" in refusal(written(tmp_path / "token", content))
    assert (tmp_path / "token").read_text() == content


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o610])
def test_a_file_that_others_may_use(tmp_path: Path, mode: int) -> None:
    assert "make it yours alone: chmod 600" in refusal(written(tmp_path / "token", mode=mode))


def test_a_file_of_another_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "token")
    seen = os.fstat

    def of_another(descriptor: int) -> os.stat_result:
        fields = list(seen(descriptor))
        fields[4] = 54321
        return os.stat_result(fields)

    monkeypatch.setattr(module.os, "fstat", of_another)
    assert "one that others may read or write" in refusal(tmp_path / "token")


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "link").symlink_to(written(tmp_path / "token"))
    assert "something that is no file" in refusal(tmp_path / "pipe")
    assert "Is a directory" in refusal(tmp_path)
    assert "give one in a folder of your own" in refusal(tmp_path / "link")
    assert "give one in a folder of your own" in refusal(tmp_path / "none" / "token")

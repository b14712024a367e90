from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from hico_platform.cli.account import NOWHERE, complete_environment
from hico_platform.cli.main import main

NAMES = ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose process has a number without a name."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in NAMES:
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("nameless")
def test_a_user_without_a_name_or_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete_environment(tmp_path)
    assert os.environ["HOME"] == str(tmp_path)
    assert os.environ["USER"] == f"uid-{os.getuid()}"
    monkeypatch.delenv("HOME")
    assert main(["status"]) == 2
    complete_environment(Path("/proc/nowhere/home"))
    assert os.environ["HOME"] == NOWHERE


@pytest.mark.usefixtures("nameless")
def test_a_home_that_is_yet_to_be_made_serves_where_it_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete_environment(tmp_path / "new")
    assert os.environ["HOME"] == str(tmp_path / "new")
    for home in (None, tmp_path / "new"):
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        complete_environment(home)
        assert os.environ["HOME"] == NOWHERE


@pytest.mark.usefixtures("nameless")
@pytest.mark.parametrize("name", NAMES[1:])
def test_what_the_environment_says_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    monkeypatch.setenv(name, "me")
    complete_environment(tmp_path)
    assert {one: os.environ.get(one) for one in NAMES} == {**dict.fromkeys(NAMES), "HOME": "/users/me", name: "me"}


def test_a_user_with_an_account_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    complete_environment(tmp_path)
    assert not any(name in os.environ for name in NAMES)

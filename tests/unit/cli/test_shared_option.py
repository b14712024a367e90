"""``--shared`` and the notices of a home."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.cli.shared_option import add_shared, follow_option, make_home
from hico_platform.home_access import HomeAccess, home_access


@pytest.fixture(autouse=True)
def _careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def given(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_shared(parser)
    return parser.parse_args(words)


def test_what_changes_for_others_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    make_home(home, given())
    assert capsys.readouterr().err == ""
    home.chmod(0o755)
    make_home(home, given())
    assert "from now on only you can" in capsys.readouterr().err
    make_home(home, given("--shared"))
    assert "may read all of it from now on" in capsys.readouterr().err
    assert home_access(home) is HomeAccess.GROUP
    make_home(home, given())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("words", "mode"), [((), 0o600), (("--shared",), 0o640)])
def test_a_folder_beside_the_home(tmp_path: Path, words: tuple[str, ...], mode: int) -> None:
    follow_option(tmp_path / "home", given(*words))
    (tmp_path / "file").touch()
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    assert not (tmp_path / "home").exists()


def test_a_caller_of_main_has_its_umask_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, none = tmp_path / "a.yaml", str(tmp_path / "none")
    config.write_text("budget: {epochs: 1}\n")
    assert main(["pretrain", "--config", str(config), "--data", none, "--home", str(tmp_path / "home")]) == 3
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700, "the umask was another meanwhile"
    (tmp_path / "file").touch()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666

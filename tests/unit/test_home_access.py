"""Who may read a home, new or old, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import save_checkpoint
from hico_platform.errors import UsageError
from hico_platform.home_access import HomeAccess, follow_folder, follow_home, home_access, prepare_home
from hico_platform.search.ledger.storage import open_storage
from hico_platform.sqlite_files import sqlite_url
from tests.mlflow_store import mlflow_home
from tests.modes import entries, open_to
from tests.small import small_store

IS_ROOT = os.geteuid() == 0


@pytest.fixture(autouse=True)
def _careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def checkpoint_in(folder: Path) -> Path:
    return save_checkpoint(folder, epoch=1, tensors={"x": torch.zeros(1)}, facts={})


def fill(home: Path) -> None:
    """What commands keep in a home, by the ways in which they do."""
    open_storage(sqlite_url(home / "study.db"))
    checkpoint_in(home / "searches" / "a" / "trials" / "0000")
    small_store(home / "data" / "small", count=2)


def test_a_new_home_is_its_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    assert prepare_home(home) is None
    assert umask() == 0o077
    fill(home)
    assert mode(home) == 0o700
    assert open_to(0o077, home) == set()
    assert prepare_home(home) is None


def test_a_shared_home_is_read_by_its_group_and_stays_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert prepare_home(home, shared=True) is None
    fill(home)
    assert {found for path, found in entries(home) if path.is_dir()} == {0o2750}
    assert {found for path, found in entries(home) if path.is_file()} == {0o640}
    os.umask(0o077)
    assert prepare_home(home) is None
    assert umask() == 0o027
    assert home_access(home) is HomeAccess.GROUP


def test_databases_of_mlflow_agree_too(tmp_path: Path) -> None:
    prepare_home(tmp_path / "home", shared=True)
    tracker = mlflow_home(tmp_path / "home")
    run_id = tracker.open_run(experiment="toy", key="a", name="a", parent=None, params={}, tags={}, at_s=1.0)
    tracker.log_text(run_id, "hello", name="a.txt")
    tracker.log_folder(run_id, checkpoint_in(tmp_path / "home" / "runs" / "a"), name="checkpoint")
    found = dict(entries(tmp_path / "home"))
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o2750}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o640}
    assert any("mlartifacts" in path.parts and path.name == "state.safetensors" for path in found)


def test_an_older_home_is_closed_and_that_is_said_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    os.umask(0o022)
    fill(home)
    assert open_to(0o007, home)
    notice = prepare_home(home)
    assert notice == (
        f"{home}: other accounts could read what lies in it; from now on only you can. "
        "To let its group read it, give --shared"
    )
    assert open_to(0o077, home) == set()
    assert prepare_home(home) is None


def test_an_older_home_can_be_shared_instead(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    os.umask(0o022)
    fill(home)
    (home / "searches" / "a" / "closed").mkdir(mode=0o700)
    notice = prepare_home(home, shared=True)
    assert notice == f"{home}: its group ({home.group()}) may read all of it from now on, other accounts nothing"
    assert {found for path, found in entries(home) if path.is_dir()} == {0o2750}
    assert {found for path, found in entries(home) if path.is_file()} == {0o640}


def test_a_home_that_is_shared_no_more_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prepare_home(home, shared=True)
    fill(home)
    home.chmod(0o750)
    assert "from now on only you can" in str(prepare_home(home))
    assert open_to(0o077, home) == set()


def test_what_is_not_of_a_home_is_left_as_it_is(tmp_path: Path) -> None:
    """A home may be a working directory, and its data a link to a folder that many use."""
    home, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for folder in (home, elsewhere, home / "code", home / "searches"):
        folder.mkdir(mode=0o755)
    (home / "data").symlink_to(elsewhere)
    (home / "searches" / "link").symlink_to(elsewhere)
    assert prepare_home(home) is not None
    assert [mode(each) for each in (home, home / "code", elsewhere)] == [0o755] * 3
    assert mode(home / "searches") == 0o700
    assert prepare_home(home) is None


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to another account")
def test_a_home_of_another_account_is_not_changed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    os.chown(home, 65534, 65534)
    assert prepare_home(home) is None
    assert mode(home) == 0o755
    with pytest.raises(UsageError, match=r"^--shared: a home of your own"):
        prepare_home(home, shared=True)


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to another group")
def test_the_group_of_the_home_is_the_group_of_its_content(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prepare_home(home)
    fill(home)
    os.chown(home, -1, 65534)
    prepare_home(home, shared=True)
    checkpoint_in(home / "searches" / "new")
    assert {path.stat().st_gid for path, _ in entries(home)} == {65534}


@pytest.mark.parametrize(("shared", "expected"), [(False, 0o077), (True, 0o027)])
def test_a_worker_writes_as_the_folder_of_its_trial_demands(tmp_path: Path, shared: bool, expected: int) -> None:
    prepare_home(tmp_path / "home", shared=shared)
    (tmp_path / "home" / "searches").mkdir()
    os.umask(0)
    follow_folder(tmp_path / "home" / "searches" / "a" / "0003")
    assert umask() == expected


def test_pages_and_reports_follow_the_home(tmp_path: Path) -> None:
    follow_home(tmp_path / "none")
    assert umask() == 0o077
    prepare_home(tmp_path / "home", shared=True)
    os.umask(0)
    follow_home(tmp_path / "home")
    assert umask() == 0o027

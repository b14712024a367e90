"""Who may read a home, new or old, whatever the umask."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from hico_platform.checkpoint import save_checkpoint
from hico_platform.errors import UsageError
from hico_platform.home_access import HomeAccess, follow_folder, follow_home, home_access, prepare_home, umask_restored
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
    record_search(home)
    checkpoint_in(home / "searches" / "a" / "trials" / "0000")
    checkpoint_in(home / "runs" / "small-01234567")
    small_store(home / "data" / "embedded-0", count=2)


def record_search(home: Path) -> None:
    """A search in a home's ledger."""
    open_storage(sqlite_url(home / "study.db"))
    with closing(sqlite3.connect(home / "study.db")) as ledger, ledger:
        ledger.execute("INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (1, 'search', '{}')")


def of_user(folder: Path, *names: str) -> dict[Path, int]:
    """Folders as a project has them, readable and writable for its group; their modes and those of their files."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "file").write_text("a user's")
        (folder / name).chmod(0o2775)
        (folder / name / "file").chmod(0o664)
    return dict(entries(folder))


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
    assert home_access(home) is HomeAccess.OWNER
    assert "from now on only you can" in str(prepare_home(home))
    assert open_to(0o077, home) == set()


def test_what_is_not_of_a_home_is_left_as_it_is(tmp_path: Path) -> None:
    """A home may be a working directory, and its data a link to a folder that many use."""
    home, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    for folder in (home, elsewhere, home / "code", home / "searches"):
        folder.mkdir(mode=0o755)
    record_search(home)
    (home / "data").symlink_to(elsewhere)
    (home / "searches" / "link").symlink_to(elsewhere)
    assert prepare_home(home) is not None
    assert [mode(each) for each in (home, home / "code", elsewhere)] == [0o755] * 3
    assert mode(home / "searches") == 0o700
    assert prepare_home(home) is None


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    "names", [("data",), ("code", "data/mine", "runs/old", "cache/x", "searches/b", "mlartifacts/c")]
)
@pytest.mark.parametrize("folder_mode", [0o755, 0o700, 0o2755])
def test_folders_of_the_user_keep_their_modes(
    tmp_path: Path, shared: bool, names: tuple[str, ...], folder_mode: int
) -> None:
    """Whatever their names, at the first command there and at later ones, which find what the first one made."""
    home = tmp_path / "project"
    before = of_user(home, *names)
    home.chmod(folder_mode)
    del before[home]
    prepare_home(home, shared=shared)
    record_search(home)
    (home / "data" / "embedded-0").mkdir(parents=True)
    assert prepare_home(home) is None
    assert {path: mode(path) for path in before} == before
    assert mode(home) == folder_mode | (0o2050 if shared else 0)
    assert mode(home / "data" / "embedded-0") & 0o777 == (0o750 if shared else 0o700)
    assert mode(home / "study.db") == (0o640 if shared else 0o600)
    prepare_home(home, shared=True)
    assert mode(home / "data" / "embedded-0") == 0o2750
    assert {path: mode(path) for path in before} == before


def test_an_older_home_in_a_project_leaves_the_projects_folders(tmp_path: Path) -> None:
    home = tmp_path / "project"
    before = of_user(home, "data/mine", "runs/old-20260101", "cache/x", "mlartifacts/c")
    for each in (home, *(home / name for name in ("data", "runs", "cache", "mlartifacts"))):
        each.chmod(0o755)
        before[each] = 0o755
    fill(home)
    (home / "data" / "embedded-0").chmod(0o755)
    prepare_home(home)
    assert {path: mode(path) for path in before} == before
    assert [mode(home / name) for name in ("data/embedded-0", "searches", "study.db")] == [0o700, 0o700, 0o600]


@pytest.mark.parametrize("found", [0o755, 0o775, 0o2775, 0o2750, 0o1777])
def test_an_empty_folder_keeps_its_mode_and_shares_nothing(tmp_path: Path, found: int) -> None:
    """The set-group-ID bit of a folder is no consent to share what comes into it."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(found)
    for _ in range(2):
        assert prepare_home(home) is None
        assert mode(home) == found
        assert umask() == 0o077
        assert home_access(home) is HomeAccess.OWNER
        if not (home / "study.db").exists():
            fill(home)
    assert {path for path, mode in entries(home) if mode & 0o077} == {home}


@pytest.mark.parametrize("found", [0o1755, 0o1777, 0o775, 0o2775])
def test_a_folder_that_others_may_write_is_not_shared(tmp_path: Path, found: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(found)
    with pytest.raises(UsageError, match=rf"nobody but you may write.* of mode {found:04o}.*chmod go-w,-t "):
        prepare_home(home, shared=True)
    assert mode(home) == found
    assert os.listdir(home) == []


def test_a_home_that_an_older_version_shared_is_shared(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prepare_home(home, shared=True)
    fill(home)
    (home / ".hico-home").unlink()
    assert home_access(home) is HomeAccess.GROUP
    assert prepare_home(home) is None
    assert mode(home) == 0o2750


def test_a_file_with_another_name_elsewhere_keeps_its_mode(tmp_path: Path) -> None:
    home, public = tmp_path / "home", tmp_path / "public"
    public.touch()
    public.chmod(0o644)
    home.mkdir()
    fill(home)
    home.chmod(0o755)
    (home / "searches" / "a" / "public").hardlink_to(public)
    assert prepare_home(home) is not None
    assert mode(public) == 0o644
    assert mode(home / "searches") == 0o700


def test_a_home_that_every_account_may_write_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o2777)
    with pytest.raises(UsageError, match=r"a home in which not every account may write, got.*2777.*; chmod go-w "):
        prepare_home(home)


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to another account")
@pytest.mark.parametrize("planted", ["searches", "searches/vic", "data", "study.db", ".hico-home"])
def test_a_home_with_something_of_another_account_is_refused(tmp_path: Path, planted: str) -> None:
    home = tmp_path / "home"
    (home / planted).mkdir(parents=True)
    home.chmod(0o1777)
    os.chown(home / planted, 54321, 54321)
    with pytest.raises(UsageError, match=r"a home whose files are yours or root's, got .*54321"):
        prepare_home(home)


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to another account")
def test_a_home_of_another_account_is_not_changed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    os.chown(home, 65534, 65534)
    assert prepare_home(home) is None
    assert mode(home) == 0o755
    with pytest.raises(UsageError, match=r"^--shared: expected a home of your own"):
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


def test_the_umask_is_the_one_of_before_after_an_error_too() -> None:
    @umask_restored()
    def fails() -> None:
        os.umask(0o077)
        raise ValueError("no")

    os.umask(0o027)
    with pytest.raises(ValueError, match="no"):
        fails()
    assert os.umask(0) == 0o027

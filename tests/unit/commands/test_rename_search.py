"""A rename is whole or can be done again; searches that run, and names that are taken, are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import rename_search as module
from hico_platform.commands.rename_search import rename_search
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.drivers import DriverRecord
from hico_platform.search.ledger import rename_study as study_module
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.search.start import SearchRequest, start_search
from hico_platform.search.status import search_status
from hico_platform.tracking.search_runs import key_of
from tests.toy import FACTS
from tests.unit.cli.test_search import SPACE


def test_study_folder_and_keys_of_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = HomePaths(home=home)
    before = search_status(paths, "toy")
    assert main(["rename", "toy", "bear", "--home", str(home)]) == 0
    after = search_status(paths, "bear")
    assert after.search.former_names == ("toy",)
    assert [trial.number for trial in after.trials] == [trial.number for trial in before.trials]
    assert key_of(after.search, 3) == key_of(before.search, 3), "its runs are known as before"
    assert not (home / "searches" / "toy").exists()
    assert (home / "searches" / "bear" / "trials" / "0000").is_dir()
    capsys.readouterr()
    assert main(["show", "toy", "--home", str(home)]) == 2
    assert "expected the name of a search, got 'toy'; give bear, as it has been renamed" in capsys.readouterr().err
    rename_search(paths, "bear", "toy")
    assert search_status(paths, "toy").search.former_names == ("bear",)


@pytest.mark.parametrize("step", ["_move", "rename_study"])
def test_interrupted_it_is_done_again(home: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = HomePaths(home=home)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(study_module if step == "rename_study" else module, step, killed)
        with pytest.raises(KeyboardInterrupt):
            rename_search(paths, "toy", "bear")
    storage = open_storage(sqlite_url(home / "study.db"))
    request = SearchRequest(name="toy", space=SPACE, facts=FACTS, resume=True)
    with pytest.raises(UsageError, match=r"half renamed.*run it again: hico-platform rename toy bear"):
        start_search(storage, request, at_s=0.0)
    with pytest.raises(UsageError, match="the name bear, to which a rename was interrupted"):
        rename_search(paths, "toy", "cat")
    rename_search(paths, "toy", "bear")
    assert search_status(paths, "bear").search.former_names == ("toy",)
    assert (home / "searches" / "bear" / "trials" / "0000").is_dir()
    start_search(storage, SearchRequest(name="bear", space=SPACE, facts=FACTS, resume=True), at_s=0.0)


def test_refusals(home: Path) -> None:
    paths = HomePaths(home=home)
    storage = open_storage(sqlite_url(home / "study.db"))
    StudyLedger.create(storage, name="other", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    with pytest.raises(UsageError, match="NEW: expected a name that no search has yet, got 'other'"):
        rename_search(paths, "toy", "other")
    with pytest.raises(UsageError, match="NEW: expected a name of letters"):
        rename_search(paths, "toy", "a/b")
    (home / "searches" / "full").mkdir()
    (home / "searches" / "full" / "file").touch()
    with pytest.raises(UsageError, match="a name whose folder is free"):
        rename_search(paths, "toy", "full")
    with (
        search_lock(home / "searches" / "toy" / "lock", name="toy"),
        pytest.raises(UsageError, match=r"a search that is not running already.*end it first: hico-platform stop toy"),
    ):
        rename_search(paths, "toy", "bear")
    (home / "searches" / "toy" / "final").mkdir()
    with (
        search_lock(home / "searches" / "toy" / "final" / "lock", name="toy"),
        pytest.raises(UsageError, match="a search that is not being retrained"),
    ):
        rename_search(paths, "toy", "bear")


def test_another_person_s_search_is_theirs(home: Path) -> None:
    ledger = StudyLedger.open(open_storage(sqlite_url(home / "study.db")), name="toy")
    ledger.record_driver(DriverRecord(user="alice", uid=-5, host="gpu", pid=1, command="x", began_at_s=1.0))
    paths = HomePaths(home=home)
    with pytest.raises(UsageError, match="toy, which alice did'; ask alice, then add --force"):
        rename_search(paths, "toy", "bear")
    rename_search(paths, "toy", "bear", force=True)


def test_a_name_that_another_process_takes_meanwhile_keeps_its_folder(home: Path) -> None:
    """Between the look at the folder and the move, another search may begin under the name, or be given it."""
    paths = HomePaths(home=home)
    with (
        search_lock(home / "searches" / "bear" / "lock", name="bear"),
        pytest.raises(UsageError, match="a search that is not running already"),
    ):
        rename_search(paths, "toy", "bear")
    assert search_status(paths, "toy").trials
    rename_search(paths, "toy", "bear")
    assert (home / "searches" / "bear" / "trials" / "0000").is_dir()


def test_no_folder_with_something_in_it_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, look = HomePaths(home=home), module._check_folder
    kept = home / "searches" / "bear" / "trials" / "0007" / "checkpoint"

    def taken(*given: Any) -> None:
        look(*given)
        if not kept.exists():
            kept.parent.mkdir(parents=True)
            kept.touch()

    with monkeypatch.context() as patched:
        patched.setattr(module, "_check_folder", taken)
        with pytest.raises(UsageError, match="a name whose folder is free"):
            rename_search(paths, "toy", "bear")
    assert kept.exists()
    assert (home / "searches" / "toy" / "trials" / "0000").is_dir()

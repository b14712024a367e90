from __future__ import annotations

import os
from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.home import HomePaths, home_folder, is_served, mlflow_uri
from hico_platform.search.ledger.base import SearchRecord
from hico_platform.sqlite_files import sqlite_url
from tests.toy import FACTS


def search(key: str) -> SearchRecord:
    return SearchRecord(name="toy", source={}, facts=FACTS, limit=3, began_at_s=5.0, key=key)


def test_the_option_goes_before_the_variable_and_that_before_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/me")
    monkeypatch.delenv("HICO_HOME", raising=False)
    assert home_folder() == Path("/users/me/.hico")
    monkeypatch.setenv("HICO_HOME", "~/elsewhere")
    assert home_folder() == Path("/users/me/elsewhere")
    assert home_folder("mine") == Path.cwd() / "mine"


def test_a_home_in_other_characters_than_utf8_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--home: .*UTF-8"):
        home_folder(os.fsdecode(b"/home/\xff"))


def test_databases_and_artifacts_are_in_the_home_unless_they_are_on_a_server(tmp_path: Path) -> None:
    own = HomePaths(home=tmp_path)
    assert own.storage_url == sqlite_url(tmp_path / "study.db")
    assert own.storage_file == tmp_path / "study.db"
    assert own.tracking_uri == mlflow_uri(tmp_path)
    assert own.artifacts == tmp_path / "mlartifacts"
    served = HomePaths(home=tmp_path, storage="postgresql://host/db", tracking="http://host:5000")
    assert (served.storage_url, served.storage_file) == ("postgresql://host/db", None)
    assert (served.tracking_uri, served.artifacts) == ("http://host:5000", None)
    assert is_served("https://host")


def test_a_study_file_that_other_homes_may_use_has_a_lock_beside_it(tmp_path: Path) -> None:
    lock = tmp_path / "searches" / "toy" / "lock"
    assert HomePaths(home=tmp_path).locks("toy") == (lock,)
    shared = HomePaths(home=tmp_path, storage=sqlite_url(tmp_path / "theirs" / "study.db"))
    assert shared.locks("toy") == (lock, tmp_path / "theirs" / "study.db.toy.lock")
    assert HomePaths(home=tmp_path, storage="postgresql://host/db").locks("toy") == (lock,)


@pytest.mark.parametrize("name", ["../other", "a/b", ".", ""])
def test_no_name_leads_out_of_the_home(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        HomePaths(home=tmp_path).search(name)


def test_a_home_that_is_no_folder_or_whose_database_is_none_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    HomePaths(home=tmp_path / "new").check_writable(study=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        HomePaths(home=tmp_path / "file").check_writable(study=True)
    (tmp_path / "study.db").write_text("no database at all, but long enough to be read as one")
    HomePaths(home=tmp_path).check_writable(study=False)
    with pytest.raises(UsageError, match="a study database"):
        HomePaths(home=tmp_path).check_writable(study=True)


def test_checkpoints_are_found_in_a_home_that_was_moved(tmp_path: Path) -> None:
    moved = HomePaths(home=tmp_path)
    inside = tmp_path / "searches" / "toy" / "trials" / "0003" / "epoch-000009"
    old = "/somewhere/else/searches/toy/trials/0003/epoch-000009"
    assert moved.checkpoint(search(""), old) == Path(old)  # nothing of it lies here
    inside.mkdir(parents=True)
    assert moved.checkpoint(search(""), old) == inside
    keyed = search("a" * 32)
    assert moved.checkpoint(keyed, "0003/epoch-000009") == moved.trials(keyed) / "0003" / "epoch-000009"

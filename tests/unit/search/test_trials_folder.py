from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import SearchRecord
from hico_platform.search.trials_folder import OWNER, REPRODUCED, claimed, compared_trials
from tests.toy import FACTS


def search(key: str) -> SearchRecord:
    return SearchRecord(name="toy", source={}, facts=FACTS, limit=3, began_at_s=5.0, key=key)


def test_searches_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    home = HomePaths(home=tmp_path)
    one, other = (claimed(home.trials(search(key)), search(key)) for key in ("a" * 32, "b" * 32))
    assert one != other
    assert one.parent == other.parent == tmp_path / "searches" / "toy"
    assert claimed(one, search("a" * 32)) == one


def test_another_searchs_folder_is_refused(tmp_path: Path) -> None:
    claimed(tmp_path, search("a" * 32))
    with pytest.raises(
        UsageError, match=rf"{OWNER}: expected the mark of the search toy, b+, got 'a+'; .*move the folder away"
    ):
        claimed(tmp_path, search("b" * 32))
    (tmp_path / OWNER).write_text("{")
    with pytest.raises(UsageError, match="got 'no key'"):
        claimed(tmp_path, search("a" * 32))


def test_a_search_of_an_older_version_goes_on_in_its_folder(tmp_path: Path) -> None:
    home = HomePaths(home=tmp_path)
    assert claimed(home.trials(search("")), search("")) == tmp_path / "searches" / "toy" / "trials"
    assert not (tmp_path / "searches").exists()


def test_trials_whose_reproduction_is_unfinished(tmp_path: Path) -> None:
    assert compared_trials(tmp_path, "toy") == frozenset()
    for name in ("toy-0003", "toy-0004", "toy-0004-2", "toy-0005", "other-0006", "toy"):
        (tmp_path / "reproductions" / name).mkdir(parents=True)
    for done in ("toy-0004", "toy-0005"):
        (tmp_path / "reproductions" / done / REPRODUCED).touch()
    assert compared_trials(tmp_path, "toy") == {3, 4}

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.base import SearchRecord
from hico_platform.search.trials_folder import OWNER, claimed
from hico_platform.worker.datasets import located, portable
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


def test_checkpoints_are_found_in_a_home_that_was_moved(tmp_path: Path) -> None:
    moved = HomePaths(home=tmp_path)
    inside = tmp_path / "searches" / "toy" / "trials" / "0003" / "epoch-000009"
    old = "/somewhere/else/searches/toy/trials/0003/epoch-000009"
    assert moved.checkpoint(search(""), old) == Path(old)  # nothing of it lies here
    inside.mkdir(parents=True)
    assert moved.checkpoint(search(""), old) == inside
    keyed = search("a" * 32)
    assert moved.checkpoint(keyed, "0003/epoch-000009") == moved.trials(keyed) / "0003" / "epoch-000009"


def test_datasets_inside_the_home_move_with_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    recorded = portable(str(one / "data" / "tiny-0"), home=one)
    assert recorded == "home:data/tiny-0"
    assert located(recorded, home=other) == str(other / "data" / "tiny-0")
    for outside in ("/data/ntu60", "s3://bucket/ntu60"):
        assert located(portable(outside, home=one), home=other) == outside


def test_a_generated_dataset_that_an_older_version_recorded_by_its_whole_path_is_this_homes(tmp_path: Path) -> None:
    assert located("/old/data/embedded-0", home=tmp_path) == "/old/data/embedded-0"
    for name in ("embedded-0", "ntu60"):
        (tmp_path / "data" / name).mkdir(parents=True)
    assert located("/old/data/embedded-0", home=tmp_path) == str(tmp_path / "data" / "embedded-0")
    assert located("/old/data/ntu60", home=tmp_path) == "/old/data/ntu60"

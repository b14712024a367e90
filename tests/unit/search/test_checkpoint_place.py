"""A search's checkpoints are where it began with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.errors import HicoError, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.checkpoint_place import checkpoints_of, claim_store, store_of
from hico_platform.search.ledger.base import Ledger
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.stored_checkpoints import StoredCheckpoints
from hico_platform.search.trial_checkpoints import TrialCheckpoints
from tests.toy import FACTS, toy_space

SPACE = toy_space()


def ledger() -> Ledger:
    return MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=0.0)


def test_in_the_home_where_nothing_is_asked_for(tmp_path: Path) -> None:
    search = ledger()
    assert claim_store(search, url=None) is None
    assert store_of(search) is None
    assert isinstance(checkpoints_of(search, HomePaths(home=tmp_path)), TrialCheckpoints)


@pytest.mark.parametrize("given", ["url", "default"])
def test_a_store_is_marked_and_kept_by_the_ledger(given: str, tmp_path: Path) -> None:
    search, url = ledger(), f"file://{tmp_path}/there"
    store = claim_store(search, **{"url": None, given: url})  # type: ignore[arg-type]
    assert store is not None
    assert store.read_json("search.json")["name"] == "toy"
    search.begin(SPACE, at_s=0.0)
    again = claim_store(search, url=None, default="s3://another")
    assert again is not None
    assert again.address() == store.address()
    assert isinstance(checkpoints_of(search, HomePaths(home=tmp_path)), StoredCheckpoints)


def test_another_place_than_it_began_with_is_refused(tmp_path: Path) -> None:
    search = ledger()
    claim_store(search, url=f"file://{tmp_path}/there")
    with pytest.raises(UsageError, match=r"--checkpoints: expected the place of the checkpoints of toy, file://"):
        claim_store(search, url=f"file://{tmp_path}/elsewhere")
    begun = ledger()
    begun.begin(SPACE, at_s=0.0)
    with pytest.raises(UsageError, match="the checkpoints of toy, its home"):
        claim_store(begun, url=f"file://{tmp_path}/there")
    assert claim_store(begun, url=None, default=f"file://{tmp_path}/there") is None


def test_a_store_that_cannot_be_written_is_an_error_before_any_trial(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a file")
    with pytest.raises(HicoError, match=r"--checkpoints: expected a store that takes what is written"):
        claim_store(ledger(), url=f"file://{tmp_path}/there")

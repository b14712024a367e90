from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy

from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, search_names, sqlite_url
from hico_platform.search.ledger.rename_study import Storage, rename_study
from hico_platform.search.notes import RENAMING
from tests.toy import FACTS, toy_space

SPACE = toy_space()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    for name in ("toy", "other"):
        StudyLedger.create(storage, name=name, space=SPACE, facts=FACTS, limit=5, at_s=7.0)
    return storage


def test_name_former_names_and_the_note_change_and_nothing_else(storage: Storage) -> None:
    ledger = StudyLedger.open(storage, name="toy")
    before = ledger.search
    ledger.set_note(RENAMING, {"to": "bear"})
    ledger.set_note("gpus", 0.5)
    rename_study(storage, "toy", "bear")
    renamed = StudyLedger.open(storage, name="bear")
    assert renamed.search.former_names == ("toy",)
    assert (renamed.search.key, renamed.search.source, renamed.search.began_at_s) == (before.key, before.source, 7.0)
    assert (renamed.note(RENAMING), renamed.note("gpus")) == (None, 0.5)
    assert StudyLedger.open(storage, name="other").search.former_names == ()
    assert search_names(storage) == ("bear", "other")


def test_former_names_are_in_order_and_a_name_that_it_has_again_is_none(storage: Storage) -> None:
    for name, new in (("toy", "bear"), ("bear", "cat"), ("cat", "toy")):
        rename_study(storage, name, new)
    assert StudyLedger.open(storage, name="toy").search.former_names == ("bear", "cat")
    rename_study(storage, "toy", "dog")
    search = StudyLedger.open(storage, name="dog").search
    assert search.former_names == ("bear", "cat", "toy")


def test_where_it_cannot_be_renamed_nothing_changes(storage: Storage) -> None:
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        rename_study(storage, "toy", "other")
    with pytest.raises(KeyError):
        rename_study(storage, "none", "bear")
    with pytest.raises(ValueError, match="only studies in a database can be renamed"):
        rename_study(open_storage("memory:"), "toy", "bear")
    assert StudyLedger.open(storage, name="toy").search.former_names == ()
    assert search_names(storage) == ("other", "toy")

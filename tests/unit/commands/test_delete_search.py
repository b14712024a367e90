"""A deletion says what goes, asks, takes all of it, and can be repeated where it was interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.checkpoint_store import CheckpointStore, StoreAwayError
from hico_platform.commands import delete_search as module
from hico_platform.commands.delete_search import delete_search, deletion_of
from hico_platform.errors import HicoError, UsageError
from hico_platform.home import HomePaths
from hico_platform.search.checkpoint_place import note_of
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, search_names, sqlite_url
from hico_platform.search.listing import listed_searches
from hico_platform.search.lock import search_lock
from hico_platform.search.notes import CHECKPOINTS
from hico_platform.search.start import SearchRequest, start_search
from tests.toy import FACTS
from tests.unit.cli.test_search import SPACE


def test_interrupted_it_is_repeated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = HomePaths(home=home)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_search(paths, "toy")
    storage = open_storage(sqlite_url(home / "study.db"))
    request = SearchRequest(name="toy", space=SPACE, facts=FACTS, resume=True)
    with pytest.raises(UsageError, match=r"half deleted.*run it again: hico-platform delete toy"):
        start_search(storage, request, at_s=0.0)
    delete_search(paths, "toy")
    assert not (home / "searches" / "toy").exists()
    start_search(storage, SearchRequest(name="toy", space=SPACE, facts=FACTS), at_s=0.0)


def test_one_that_runs_is_left_alone(home: Path) -> None:
    with (
        search_lock(home / "searches" / "toy" / "lock", name="toy"),
        pytest.raises(UsageError, match="a search that is not running already"),
    ):
        delete_search(HomePaths(home=home), "toy")
    assert deletion_of(HomePaths(home=home), "toy").trials == 5


def test_the_others_stay(home: Path) -> None:
    storage = open_storage(sqlite_url(home / "study.db"))
    StudyLedger.create(storage, name="other", space=SPACE, facts=FACTS, limit=5, at_s=0.0)
    delete_search(HomePaths(home=home), "toy")
    assert search_names(storage) == ("other",)


def test_what_cannot_be_removed_is_said_and_the_study_stays(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A folder that somebody linked elsewhere: neither the link's target nor the study may go as if all was well."""
    paths, elsewhere = HomePaths(home=home), tmp_path_factory.mktemp("elsewhere") / "toy"
    folder = home / "searches" / "toy"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(HicoError, match=r"searches/toy: expected a folder whose files this user may remove") as raised:
        delete_search(paths, "toy")
    assert "run it again: hico-platform delete toy" in str(raised.value)
    assert (elsewhere / "trials").is_dir()
    assert deletion_of(paths, "toy").trials == 5
    folder.unlink()
    elsewhere.rename(folder)
    delete_search(paths, "toy")
    assert not folder.exists()


def test_what_lies_in_stores_is_counted_and_goes_and_one_that_is_away_keeps_the_study(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, there = HomePaths(home=home), tmp_path_factory.mktemp("there")
    own, retrained = CheckpointStore(f"file://{there}", "toy-1"), CheckpointStore(f"file://{there}/b", "toy-1/final/0")
    for store in (own, retrained):
        store.write_json("0003/kept.json", {"a": 1})
    ledger = StudyLedger.open(open_storage(sqlite_url(home / "study.db")), name="toy")
    ledger.set_note(CHECKPOINTS, note_of(own))
    noted = home / "searches" / "toy" / "final" / "0" / "checkpoints.json"
    noted.parent.mkdir(parents=True)
    noted.write_text(json.dumps(note_of(retrained)))
    before = deletion_of(paths, "toy")
    assert before.stored == {own.address(): 8, retrained.address(): 8}
    assert before.bytes == (before.folder_bytes or 0) + 16
    (listed,) = listed_searches(paths)
    assert listed.stored_bytes == 16
    with monkeypatch.context() as patched:
        patched.setattr(CheckpointStore, "remove", lambda *_: (_ for _ in ()).throw(StoreAwayError("away")))
        with pytest.raises(HicoError, match="run it again when it is back"):
            delete_search(paths, "toy")
    delete_search(paths, "toy")
    assert not (there / "toy-1").exists()
    assert not (there / "b" / "toy-1" / "final" / "0").exists()

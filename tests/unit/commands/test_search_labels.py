"""Notes, tags and the archive: signed in the ledger, and copied to the run of the search if it has one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hico_platform.commands import search_labels as module
from hico_platform.commands.search_labels import archive, change_tags, opened, write_note
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.drivers import user_name
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.notes import ARCHIVED, PERSONS_NOTE
from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.search_labels import RUN_NOTE
from tests.unit.cli.test_search import memory


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> MemoryLedger:
    """The ledger that the labels are written to."""
    found = memory()
    monkeypatch.setattr(module, "opened", lambda paths, name: found)
    return found


PATHS = HomePaths(home=Path("/h"), tracking="http://127.0.0.1:9")


def test_what_is_added_is_signed(ledger: MemoryLedger) -> None:
    before_s = time.time()
    assert write_note(PATHS, "toy", "hot") is None
    assert change_tags(PATHS, "toy", add=["b", "a", "c"], remove=["c"]) is None
    assert archive(PATHS, "toy") is None
    note, archived = ledger.note(PERSONS_NOTE), ledger.note(ARCHIVED)
    assert (note["text"], note["by"], archived["by"]) == ("hot", user_name(), user_name())
    assert [(tag.name, tag.by) for tag in ledger.tags()] == [("a", user_name()), ("b", user_name())]
    moments = [note["at_s"], archived["at_s"], *(tag.at_s for tag in ledger.tags())]
    assert all(before_s <= at_s <= time.time() for at_s in moments)
    archive(PATHS, "toy", undo=True)
    assert not ledger.note(ARCHIVED)
    write_note(PATHS, "toy", "")
    assert ledger.note(PERSONS_NOTE) is None


def test_a_wrong_tag_changes_nothing(ledger: MemoryLedger) -> None:
    for add, remove in ((["good", "not good"], []), (["good"], ["not good"])):
        with pytest.raises(UsageError, match=r"TAG: expected a tag of letters, digits, dot.*, got 'not good'; give"):
            change_tags(PATHS, "toy", add=add, remove=remove)
    assert ledger.tags() == ()


@pytest.mark.parametrize("error", [TrackingError("no route"), TrackingRefused("no route")])
def test_the_ledger_has_it_where_the_store_is_away(
    error: Exception, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "copy_labels", away)
    without_mlflow = SimpleNamespace(MlflowTracker=lambda **_: None)
    monkeypatch.setitem(sys.modules, "hico_platform.tracking.mlflow_tracker", without_mlflow)
    assert write_note(PATHS, "toy", "hot") is None, "it has no run, and nothing is tried"
    ledger.set_note(RUN_NOTE, "run-1")
    assert write_note(PATHS, "toy", "hotter") == "no route"
    assert ledger.note(PERSONS_NOTE)["text"] == "hotter"


def test_no_database_is_created_by_a_label(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_note(HomePaths(home=tmp_path), "toy", "x")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_search_gets_none(home: Path) -> None:
    paths = HomePaths(home=home)
    assert opened(paths, "toy").search.name == "toy"
    for change in (lambda: write_note(paths, "toi", "x"), lambda: archive(paths, "toi")):
        with pytest.raises(UsageError, match="choose among the searches here: toy"):
            change()

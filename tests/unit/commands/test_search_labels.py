"""Notes, tags and the archive, from the commands to the ledger and to the run in the tracking store."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger.memory import MemoryLedger
from hico_platform.search.notes import ARCHIVED, PERSONS_NOTE
from hico_platform.search.status import search_status
from hico_platform.search.tags import PersonsNote, TagRecord, check_note
from hico_platform.tracking.memory import MemoryTracker
from hico_platform.tracking.search_labels import copy_labels
from hico_platform.tracking.search_runs import SearchRuns
from tests.toy import FACTS
from tests.unit.cli.test_search import SPACE, finished, home

__all__ = ["finished", "home"]


def test_a_note_is_written_shown_and_taken_away(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(home)]
    assert main(["note", "toy", *words]) == 0
    assert capsys.readouterr().out == "no note\n"
    assert main(["note", "toy", "too hot\x1b[2J", *words]) == 0
    note = search_status(HomePaths(home=home), "toy").note
    assert note is not None
    assert (note.text, note.at_s > 0) == ("too hot\x1b[2J", True)
    capsys.readouterr()
    for command in (["note", "toy"], ["show", "toy"], ["list"]):
        main([*command, *words])
        text = capsys.readouterr().out
        assert "too hot?[2J" in text
        assert "\x1b" not in text
    assert main(["note", "toy", "", *words]) == 0
    assert search_status(HomePaths(home=home), "toy").note is None


def test_tags(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(home)]
    assert main(["tag", "toy", "paper", "baseline", *words]) == 0
    assert capsys.readouterr().out == "toy: baseline, paper\n"
    assert main(["tag", "toy", "--remove", "paper", *words]) == 0
    assert capsys.readouterr().out == "toy: baseline\n"
    assert main(["tag", "toy", "good", "not good", *words]) == 2
    assert "TAG: expected a tag of letters, digits, dot" in capsys.readouterr().err
    assert [tag.name for tag in search_status(HomePaths(home=home), "toy").tags] == ["baseline"]


def test_an_archived_search_is_hidden_until_that_is_undone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(home)]
    for command, shown in ((["archive", "toy"], False), (["archive", "toy", "--undo"], True)):
        assert main([*command, *words]) == 0
        capsys.readouterr()
        main(["list", *words])
        assert ("finished" in capsys.readouterr().out) == shown


def test_an_unknown_search_gets_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["note", "toi", "x"], ["tag", "toi", "x"], ["archive", "toi"]):
        assert main([*command, "--home", str(home)]) == 2
        assert "choose among the searches here: toy" in capsys.readouterr().err


def test_a_long_note_is_refused() -> None:
    with pytest.raises(UsageError, match="TEXT: expected at most 5000 characters, got '5001 characters'"):
        check_note("x" * 5001)


def test_what_another_program_wrote_is_read_as_far_as_it_goes() -> None:
    assert PersonsNote.from_plain({"text": "a", "by": 3, "at_s": "x"}) == PersonsNote(text="a", by="unknown", at_s=0.0)
    assert PersonsNote.from_plain(["a"]) is None
    assert TagRecord.from_plain("a b", {"by": "x", "at_s": 1.0}) is None
    assert TagRecord.from_plain("a", None) is None


def test_the_run_of_the_search_has_them_whichever_comes_first() -> None:
    ledger, tracker = MemoryLedger(name="toy", space=SPACE, facts=FACTS, limit=5, at_s=1.0), MemoryTracker()
    assert not copy_labels(tracker, ledger), "there is no run yet"
    ledger.set_note(PERSONS_NOTE, {"text": "look", "by": "ann", "at_s": 1.0})
    SearchRuns(ledger=ledger, space=SPACE, tracker=tracker).open_search(fresh=True, by_number=False)
    (kept,) = tracker.kept.values()
    assert kept.run.tags["hico.note"] == "look"
    assert "hico.tags" not in kept.run.tags
    ledger.set_tag(TagRecord(name="paper", by="ann", at_s=1.0))
    ledger.set_note(PERSONS_NOTE, None)
    ledger.set_note(ARCHIVED, {"by": "ann", "at_s": 1.0})
    assert copy_labels(tracker, ledger)
    tags = dataclasses.asdict(next(iter(tracker.kept.values())).run)["tags"]
    assert (tags["hico.note"], tags["hico.tags"], tags["hico.archived"]) == ("", "paper", "true")

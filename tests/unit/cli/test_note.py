from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import search_labels
from hico_platform.home import HomePaths
from hico_platform.search.status import search_status


def test_a_note_is_written_shown_and_taken_away(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(home)]
    assert main(["note", "toy", *words]) == 0
    assert capsys.readouterr().out == "no note\n"
    assert main(["note", "toy", "too hot\x1b[2J", *words]) == 0
    assert capsys.readouterr().out == "toy: noted\n"
    note = search_status(HomePaths(home=home), "toy").note
    assert note is not None
    assert (note.text, note.at_s > 0) == ("too hot\x1b[2J", True)
    for command in (["note", "toy"], ["show", "toy"], ["list"]):
        main([*command, *words])
        text = capsys.readouterr().out
        assert "too hot?[2J" in text
        assert "\x1b" not in text
    assert main(["note", "toy", "", *words]) == 0
    assert capsys.readouterr().out == "toy: its note is gone\n"
    assert search_status(HomePaths(home=home), "toy").note is None


def test_a_store_that_is_away_is_a_warning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(search_labels, "write_note", lambda paths, name, text: f"{name} {text}: no route")
    assert main(["note", "toy", "x", "--home", "/h"]) == 0
    said = capsys.readouterr()
    assert said.out == "toy: noted\n"
    expected = "warning: MLflow does not have it (toy x: no route); the next driver of the search copies it\n"
    assert said.err == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toi", "x"], "choose among the searches here: toy"),
        (["toi"], "choose among the searches here: toy"),
        (["toy", "x" * 5001], "TEXT: expected at most 5000 characters, got '5001 characters'; cut it, or note where"),
        (["..", "x"], "NAME: expected a name of letters"),
    ],
)
def test_refusals(home: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["note", *words, "--home", str(home)]) == 2
    assert message in capsys.readouterr().err

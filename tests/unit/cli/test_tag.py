from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import search_labels
from hico_platform.home import HomePaths
from hico_platform.search.status import search_status


def test_tags_are_added_and_taken_away(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--home", str(home)]
    assert main(["tag", "toy", "paper", "baseline", *words]) == 0
    assert capsys.readouterr().out == "toy: baseline, paper\n"
    assert main(["tag", "toy", "--remove", "paper", *words]) == 0
    assert capsys.readouterr().out == "toy: baseline\n"
    assert main(["tag", "toy", "good", "not good", *words]) == 2
    assert "TAG: expected a tag of letters, digits, dot" in capsys.readouterr().err
    assert [tag.name for tag in search_status(HomePaths(home=home), "toy").tags] == ["baseline"]


def test_without_tags_those_that_it_has_are_printed_and_nothing_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("a look changes nothing")

    monkeypatch.setattr(search_labels, "change_tags", nothing)
    assert main(["tag", "toy", "--home", str(home)]) == 0
    assert capsys.readouterr().out == "toy: no tags\n"


def test_a_tag_added_and_removed_at_once_is_gone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "toy", "a", "b", "--remove", "a", "--remove", "none", "--home", str(home)]) == 0
    assert capsys.readouterr().out == "toy: b\n"

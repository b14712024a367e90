from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.home import HomePaths
from hico_platform.search import listing
from hico_platform.search.listing import ListedSearch
from tests.unit.cli.views.test_list_view import listed


def test_the_list(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--home", str(home)]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["name", "who", "state", "trials"]
    assert line.split()[2:4] == ["finished", "5/5"]
    assert main(["list", "--json", "--home", str(home)]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["trials"] == {"ended": 5, "begun": 5, "limit": 5}
    assert main(["list", "--tag", "none", "--home", str(home)]) == 0
    assert capsys.readouterr().out == "no searches with the tag none\n"


def test_the_options_choose_what_is_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[Path, bool, list[str]]] = []

    def searches(paths: HomePaths, *, archived: bool, tags: list[str]) -> list[ListedSearch]:
        asked.append((paths.home, archived, tags))
        return []

    monkeypatch.setattr(listing, "listed_searches", searches)
    for words in ([], ["--all"], ["--tag", "a", "--tag", "b"], ["--json"]):
        assert main(["list", *words, "--home", "/h"]) == 0
    home = Path("/h")
    assert asked == [(home, False, []), (home, True, []), (home, False, ["a", "b"]), (home, False, [])]
    said = capsys.readouterr().out.splitlines()
    assert said == ["no searches", "no searches", "no searches with the tag a, b", "[]"]


def test_a_line_is_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    found = [listed(note="look at [b]this[/b] " * 10), listed(name="other")]
    monkeypatch.setattr(listing, "listed_searches", lambda paths, **more: found)
    assert main(["list", "--home", "/h"]) == 0
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.endswith("note")
    assert first.endswith("look at [b]this[/b]")
    assert second.startswith("other  ")

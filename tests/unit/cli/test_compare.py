from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import compare_searches as module
from hico_platform.commands.compare_searches import Comparison
from tests.unit.cli.views.test_compare_view import COSTS, compared


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The home and the names that are compared; what comes of it is always the same."""
    found: list[tuple[str, list[str]]] = []

    def compare(paths: Any, names: list[str]) -> Comparison:
        found.append((str(paths.home), names))
        one = compared("one", curve=((60.0, 0.25), (700.0, 0.5)))
        return Comparison(searches=(one,), costs=COSTS, differences=("protocol: a in one, b in two",))

    monkeypatch.setattr(module, "compare_searches", compare)
    return found


def test_in_words_and_as_json(asked: list[tuple[str, list[str]]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "two", "one", "two", "--home", "/h"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("warning: these numbers are not comparable: protocol: a in one, b in two\nsearch  state")
    assert text.endswith("one: temperature 0.125, encoder lstm\n")
    assert "▁▁█" in text
    assert main(["compare", "two", "one", "--json", "--home", "/h"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["comparable"], plain["differences"]) == (False, ["protocol: a in one, b in two"])
    assert plain["searches"][0]["best_at_cost"] == [0.25] * 11 + [0.5] * 9
    assert asked == [("/h", ["two", "one"])] * 2, "each once, in the order in which they were named"


def test_where_the_terminal_has_no_blocks(asked: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", output)
    assert main(["compare", "one", "two", "--home", "/h"]) == 0
    output.seek(0)
    assert "___________#########" in output.read()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["toy", "toy"], "NAME: expected at least two searches, got 'toy'; name another"),
        (["toy", "a/b"], "NAME: expected a name of letters"),
        (["toy", "toi"], "name: expected the name of a search, got 'toi'; choose among the searches here: toy"),
        ([], "NAME: expected a value; see hico-platform compare --help"),
    ],
)
def test_refusals(home: Path, names: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *names, "--home", str(home)]) == 2
    said = capsys.readouterr()
    assert f"error: {message}" in said.err
    assert said.out == ""

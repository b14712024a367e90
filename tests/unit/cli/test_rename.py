from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import rename_search as module


def test_both_names_and_force_are_passed_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, ...]] = []

    def renamed(paths: Any, name: str, new: str, *, force: bool) -> None:
        asked.append((str(paths.home), name, new, str(force)))

    monkeypatch.setattr(module, "rename_search", renamed)
    assert main(["rename", "toy", "bear", "--home", "/h"]) == 0
    assert main(["rename", "toy", "bear", "--force", "--home", "/h"]) == 0
    assert asked == [("/h", "toy", "bear", "False"), ("/h", "toy", "bear", "True")]
    assert capsys.readouterr().out == "toy is bear now\n" * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toi", "bear"], "choose among the searches here: toy"),
        (["toy", "a/b"], "NEW: expected a name of letters, digits, dot, dash and underscore"),
        (["a/b", "bear"], "NAME: expected a name of letters, digits, dot, dash and underscore"),
        (["toy"], "NEW: expected a value; see hico-platform rename --help"),
    ],
)
def test_refusals(home: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rename", *words, "--home", str(home)]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert (home / "searches" / "toy").is_dir()

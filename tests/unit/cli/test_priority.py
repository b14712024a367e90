from __future__ import annotations

import pytest

from hico_platform.cli.main import main
from hico_platform.search.requests import RequestKind
from tests.unit.cli.steered import Steering, steering

__all__ = ["steering"]


@pytest.mark.parametrize("priority", [5, 0, -3])
def test_the_priority_goes_to_the_trial(priority: int, steering: Steering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["priority", "toy", "12", str(priority), "--wait", "2", "--home", "/h"]) == 0
    expected = {"home": "/h", "name": "toy", "kind": RequestKind.PRIORITY}
    assert steering.calls == [{**expected, "trial": 12, "count": priority, "patience_s": 2.0}]
    said = f"toy: priority {priority} of trial 12: written down; the driver has not answered yet\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["12"], "PRIORITY: expected a value; see hico-platform priority --help"),
        (["12", "high"], "PRIORITY: expected a whole number, got 'high'; see hico-platform priority --help"),
        (["twelve", "1"], "TRIAL: expected a whole number, got 'twelve'; see hico-platform priority --help"),
    ],
)
def test_wrong_words(words: list[str], message: str, steering: Steering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["priority", "toy", *words, "--home", "/h"]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert steering.calls == []

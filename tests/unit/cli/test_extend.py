from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.search.requests import RequestKind
from tests.unit.cli.steered import Steering, steering

__all__ = ["steering"]


def test_more_trials_are_asked_for(steering: Steering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extend", "toy", "--trials", "1", "--home", "/h"]) == 0
    expected = {"home": "/h", "name": "toy", "kind": RequestKind.EXTEND}
    assert steering.calls == [{**expected, "count": 1, "patience_s": 10.0}]
    assert capsys.readouterr().out.startswith("toy: extend by 1 trial: written down")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trials", "0"], "--trials: expected at least 1, got 0; give a count"),
        (["--trials", "-2"], "--trials: expected at least 1, got -2; give a count"),
        (["--trials", "9" * 20], f"--trials: expected at most 1,000,000, got {'9' * 20}; give a count"),
        (["--trials", "1.5"], "--trials: expected a whole number, got '1.5'; see hico-platform extend --help"),
        ([], "expected one of --trials, --epochs; see hico-platform extend --help"),
        (["--trials", "1", "--epochs", "2"],
         "--epochs: expected an option that goes with --trials; leave out one of the two"),
    ],
)  # fmt: skip
def test_wrong_words(words: list[str], message: str, steering: Steering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extend", "toy", *words, "--home", "/h"]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert steering.calls == []


def test_epochs_are_kept_and_why(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extend", "toy", "--epochs", "20", "--home", str(home)]) == 2
    error = capsys.readouterr().err
    assert "--epochs: expected the 9 epochs with which toy began: learning rates decay over the whole budget" in error
    assert "scores after 20 and after 9 epochs are not comparable, got 20" in error
    assert "start another search with warm_start: [toy] in its space file: " in error
    assert "hico-platform search --space FILE --name toy-20 --set budget.epochs=20" in error

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import reproduce as module
from hico_platform.commands.reproduce import Compared, Reproduction
from tests.unit.search.handmade import trial

FOUND = Reproduction(
    search="toy",
    trial=3,
    metric="knn_top1",
    directory=Path("/h/reproductions/toy-3"),
    reported=(Compared(epoch=1, name="knn_top1", was=0.25, now=0.26, standard_error=0.0276),),
    downstream=(Compared(epoch=9, name="retrieval_map", was=0.5, now=0.4996),),
    weights=False,
    conditions={"code_version": ("0.1.0", "0.2.0")},
)


@dataclass(kw_only=True)
class Reproducing:
    """Stands for the training: keeps what it is called with, and comes to ``found``."""

    found: Reproduction | BaseException = FOUND
    numbers: list[int | None] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def reproduce(self, paths: Any, **more: Any) -> Reproduction:
        """Trains nothing."""
        self.calls.append({name: more[name] for name in ("name", "number", "data")})
        if isinstance(self.found, BaseException):
            raise self.found
        return self.found


@pytest.fixture
def reproducing(monkeypatch: pytest.MonkeyPatch) -> Reproducing:
    """What the command asks for."""
    stand_in = Reproducing()

    def chosen(paths: Any, name: str, number: int | None) -> Any:
        stand_in.numbers.append(number)
        return trial(3)

    monkeypatch.setattr(module, "reproduce", stand_in.reproduce)
    monkeypatch.setattr(module, "trial_to_reproduce", chosen)
    return stand_in


def test_both_records_side_by_side(
    reproducing: Reproducing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "toy", "--quiet", "--home", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "trial 3 of toy, trained again: within noise",
        " epoch  score                 recorded      now  difference",
        "     1  knn_top1        0.2500 ± 0.028   0.2600  +0.0100",
        "     9  retrieval_map           0.5000   0.4996  -0.0004",
        "weights: different",
        "not as it was: code_version 0.1.0, now 0.2.0",
        "checkpoint and comparison: /h/reproductions/toy-3",
    ]
    assert reproducing.numbers == [None], "the best, where none is named"
    assert reproducing.calls == [{"name": "toy", "number": 3, "data": None}]


def test_what_is_known_of_the_weights(
    reproducing: Reproducing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for weights, words in ((None, "the recorded ones are gone"), (True, "identical")):
        reproducing.found = replace(FOUND, weights=weights, conditions={})
        assert main(["reproduce", "toy", "7", "--data", "/d", "--home", str(tmp_path)]) == 0
        assert f"\nweights: {words}\ncheckpoint" in capsys.readouterr().out
    assert reproducing.numbers == [7, 7]
    assert reproducing.calls == [{"name": "toy", "number": 3, "data": "/d"}] * 2


def test_a_difference_beyond_noise_is_exit_1(
    reproducing: Reproducing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reproducing.found = replace(FOUND, reported=(replace(FOUND.reported[0], now=0.4),))
    assert main(["reproduce", "toy", "--json", "--home", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == reproducing.found.as_dict()
    assert said.err == "", "--json shows no progress"


def test_interrupted_it_says_how_to_go_on(
    reproducing: Reproducing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reproducing.found = KeyboardInterrupt()
    assert main(["reproduce", "toy", "--json", "--home", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted after epoch 0 of 9; the same command goes on\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["toy", "best"], 2, "TRIAL: expected a whole number, got 'best'; see hico-platform reproduce --help"),
        ([], 2, "NAME: expected a value; see hico-platform reproduce --help"),
    ],
)
def test_wrong_words(
    words: list[str], code: int, message: str, reproducing: Reproducing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *words, "--home", "/h"]) == code
    assert capsys.readouterr().err == f"error: {message}\n"
    assert reproducing.calls == []

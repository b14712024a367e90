from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.config.schema import parse, to_mapping
from hico_platform.config.trial import TrialConfig
from hico_platform.config.yaml_loader import parse_yaml
from hico_platform.home import HomePaths
from hico_platform.search.status import search_status
from tests.unit.cli.test_search import SPACE


def test_as_json_with_number_and_scores(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = search_status(HomePaths(home=home), "toy").best
    assert best is not None
    assert main(["best", "toy", "--json", "--home", str(home)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "search": "toy",
        "trial": best.number,
        "value": best.value,
        "standard_error": best.standard_error,
        "epoch": best.epoch,
        "config": to_mapping(SPACE.config(best.values)),
    }


def test_the_yaml_is_that_of_the_trial_which_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials = search_status(HomePaths(home=home), "toy").trials
    for trial in (trials[0], trials[4]):
        assert main(["best", "toy", "--trial", str(trial.number), "--home", str(home)]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"# trial {trial.number} of the search toy")
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        assert parse(TrialConfig, parse_yaml(text)) == SPACE.config(trial.values)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy", "--trial", "9"], "TRIAL: expected the number of a trial of toy, got 9; give one of 0 to 4"),
        (["toy", "--trial", "-1"], "TRIAL: expected the number of a trial of toy, got -1; give one of 0 to 4"),
        (["toy", "--trial", "one"], "--trial: expected a whole number, got 'one'; see hico-platform best --help"),
        (["toi"], "name: expected the name of a search, got 'toi'; choose among the searches here: toy"),
        (["a/b"], "NAME: expected a name of letters, digits, dot, dash and underscore"),
    ],
)
def test_wrong_words(home: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", *words, "--home", str(home)]) == 2
    said = capsys.readouterr()
    assert f"error: {message}" in said.err
    assert said.out == ""

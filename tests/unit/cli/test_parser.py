from __future__ import annotations

import argparse
import json
import shlex
from types import SimpleNamespace

import pytest

from hico_platform.cli.main import COMMANDS, EPILOG, load_command, main
from hico_platform.cli.parser import parser_of
from hico_platform.errors import UsageError


def examples(text: str) -> list[str]:
    """The lines of a help text that are commands, without what is said beside them."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("  hico-platform ")]
    return [line.partition("  ")[0].split(" | ")[0].split(" > ")[0] for line in lines]


def parse(line: str) -> str:
    """Gives a command line to the parser of its command; returns the command's name."""
    words = shlex.split(line)[1:]
    name = next(" ".join(words[:count]) for count in (2, 1) if " ".join(words[:count]) in COMMANDS)
    parser_of(name, load_command(name)).parse_args(words[len(name.split()) :])
    return name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_a_help_text_parses(name: str) -> None:
    module = load_command(name)
    found = examples(module.__doc__ or "")
    assert name in {parse(line) for line in found}, "a help text without an example"


def test_every_example_of_the_overview_parses() -> None:
    assert len([parse(line) for line in examples(EPILOG)]) > 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serch"], "expected a command of hico-platform, got 'serch'; did you mean search?"),
        (["data", "prep"], "expected a command of hico-platform, got 'data prep'; did you mean data prepare?"),
        (["xyzzy"], "expected a command of hico-platform, got 'xyzzy'; see hico-platform --help"),
        (["--versin"], "expected an option of hico-platform, got '--versin'; did you mean --version?"),
        (["search", "--trails", "3"], "expected an option of hico-platform search, got '--trails'; did you mean"),
        (["search", "--zzz=3"], "expected an option of hico-platform search, got '--zzz=3'; see hico-platform search"),
        (["search", "a", "b"], "expected the arguments of hico-platform search and no more, got 'a b'; see"),
        (["search", "--trials", "x"], "--trials: expected a whole number, got 'x'; see hico-platform search --help"),
        (["search", "--space"], "--space: expected a value; see hico-platform search --help"),
        (["evaluate"], "--checkpoint, --data: expected a value; see hico-platform evaluate --help"),
        (["evaluate", "--checkpoint", "x", "--data", "y", "--split", "tst"],
         "--split: expected one of test, val, got 'tst'; did you mean test?"),
        (["retrain", "x", "--seeds", "0"], "--seeds: expected at least 1, got 0; see hico-platform retrain --help"),
        (["retrain", "x", "--seeds", "y"], "--seeds: expected a whole number, got 'y'; see hico-platform retrain"),
    ],
)  # fmt: skip
def test_a_mistake_is_exit_code_2_and_says_what_was_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {said}")
    assert captured.out == ""
    assert captured.err.count("\n") == 1, "no usage of twenty lines before what is wrong"


def test_a_mistake_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--json", "--trails", "3"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["errors"]
    assert problem["remedy"] == "did you mean --trials?"


def test_options_that_exclude_each_other_or_of_which_one_is_needed() -> None:
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--one", action="store_true")
        group.add_argument("--two", action="store_true")

    parser = parser_of("x", SimpleNamespace(__doc__="x", add_arguments=add_arguments))  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        parser.parse_args(["--one", "--two"])
    assert str(caught.value) == "--two: expected an option that goes with --one; leave out one of the two"
    with pytest.raises(UsageError) as caught:
        parser.parse_args([])
    assert str(caught.value) == "expected one of --one, --two; see hico-platform x --help"


def test_whether_an_option_is_a_word_alone() -> None:
    parser = parser_of("export", load_command("export"))
    assert parser.is_flag("--curves")
    assert not parser.is_flag("--json"), "a file"
    assert not parser.is_flag("--none")

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.config.document import LEDGER
from hico_platform.errors import ConfigError, UsageError, command
from hico_platform.home import HomePaths
from hico_platform.names import check_known_name, check_name, name_from
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from tests.toy import FACTS, toy_space

WRONG = ["../evil", "a/b", "", ".", "..", ".hidden", "-x", "o'brien", "[/x]", "a b", "\x1b[31m", "é", "a" * 101, "a\n"]
HARMFUL = ["../evil", "a/b", "", ".", "..", "\x1b[31m", "a\n", "a\x00", "é" * 128]


@pytest.mark.parametrize("name", WRONG)
def test_a_new_name_follows_the_rule(name: str) -> None:
    with pytest.raises(UsageError, match=r"--name: expected a name of letters, digits, dot, dash and underscore"):
        check_name(name, field="--name")


@pytest.mark.parametrize("name", ["toy", "a" * 100, "0.1_x-Y"])
def test_good_names(name: str) -> None:
    assert check_name(name, field="--name") == check_known_name(name, field="NAME") == name_from(name) == name


@pytest.mark.parametrize("name", HARMFUL)
def test_an_older_search_may_have_any_name_that_is_one_folder(name: str) -> None:
    assert check_known_name("o'brien [bold]", field="NAME")
    with pytest.raises(UsageError, match="NAME: expected a name of letters"):
        check_known_name(name, field="NAME")
    with pytest.raises(UsageError):
        HomePaths(home=Path("/home")).lock(name)


def test_a_file_s_name_becomes_one() -> None:
    assert name_from("my best (2)") == "my-best-2-"
    assert name_from("../x") == "x"
    assert name_from("é") == "unnamed"


@pytest.mark.parametrize(
    "words",
    [
        ["search", "--space", "level_weights.yaml", "--name", "../evil"],
        ["search", "--space", "level_weights.yaml", "--name", "o'brien"],
        ["search", "--space", "level_weights.yaml", "--name", "n" * 300],
        ["search", "--space", "level_weights.yaml", "--set", "name=../evil"],
        ["search", "--space", "level_weights.yaml", "--set", "warm_start=[../evil]"],
        ["search", "--resume", "--name", "../evil"],
        ["search", "--dry-run", "--space", "level_weights.yaml", "--name", "a/b"],
        ["status", "../evil"],
        ["retrain", "../evil"],
        ["report", "../evil", "--json"],
    ],
)
def test_every_command_refuses_it_before_it_touches_anything(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert main([*words, "--home", str(home)]) == 2
    printed = capsys.readouterr()
    assert "a name of letters, digits" in printed.err + printed.out or "names of searches" in printed.err
    assert list(tmp_path.iterdir()) == []


def test_commands_are_quoted_for_the_shell() -> None:
    assert command("retrain", "o'brien") == "hico-platform retrain 'o'\"'\"'brien'"
    assert command("data", "info", Path("/my data")) == "hico-platform data info '/my data'"


def test_searches_that_are_older_than_the_rule_stay_readable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, space = "o'brien's [x] search", toy_space(name="n" * 120, file=LEDGER)
    storage = open_storage(sqlite_url(tmp_path / "study.db"))
    StudyLedger.create(storage, name=old, space=space, facts=FACTS, limit=3, at_s=0.0).begin(space, at_s=0.0)
    assert main(["status", old, "--home", str(tmp_path)]) == 0
    assert f"{old}: interrupted" in capsys.readouterr().out
    assert main(["report", old, "--home", str(tmp_path)]) == 0
    with pytest.raises(ConfigError, match="name: expected a name of letters"):
        toy_space(name="n" * 120)


def test_a_hostile_name_in_a_shared_database_does_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, space = open_storage(sqlite_url(tmp_path / "study.db")), toy_space()
    for name in ("toy", "\x1b]0;owned\x07", "../evil"):
        StudyLedger.create(storage, name=name, space=space, facts=FACTS, limit=3, at_s=0.0).begin(space, at_s=0.0)
    assert main(["status", "--home", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "toy: interrupted" in shown
    assert "../evil: cannot be read" in shown
    assert "\x1b" not in shown

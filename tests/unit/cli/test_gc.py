"""gc in a shell: what it prints, asks and refuses."""

from __future__ import annotations

import json

import pytest

from hico_platform.cli.main import main
from hico_platform.home import HomePaths
from tests.unit.commands.test_gc import paths, template, whole

__all__ = ["paths", "template"]


def test_it_says_what_would_go_asks_and_removes_it(
    paths: HomePaths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["gc", "toy", "--keep", "best=2,per_rung=0", "--home", str(paths.home)]
    assert main([*words, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "rule     best=2, per_rung=0, encoder_only=rest" in printed
    assert "kept     2 whole, 3 as encoders, 0 not at all; 1 trials that have not ended are left alone" in printed
    assert "trial 0    encoder alone" in printed
    assert printed.endswith("nothing was removed\n")
    assert whole(paths) == set(range(6))
    assert main(words) == 2
    assert "--yes: expected a terminal to ask on, or --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert main(words) == 1
    assert whole(paths) == set(range(6))
    assert main([*words, "--yes", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (plain["removed"], plain["unfinished"], plain["keep"]["best"]) == (True, 1, 2)
    assert plain["bytes"] == plain["bytes_before"] - sum(one["bytes_after"] for one in plain["trials"])
    assert {one["trial"]: one["kept"] for one in plain["trials"]} == {
        1: "whole", 3: "whole", 0: "encoder alone", 2: "encoder alone", 4: "encoder alone",
    }  # fmt: skip
    assert whole(paths) == {1, 3, 5}, "what a resume needs is there"


@pytest.mark.parametrize("rule", ["best=0", "worst=3", "encoder_only=some", "days=-1", "best"])
def test_a_wrong_rule_is_refused(rule: str, paths: HomePaths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "toy", "--keep", rule, "--dry-run", "--home", str(paths.home)]) == 2
    printed = capsys.readouterr().err
    assert "keep" in printed
    assert "expected" in printed

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.commands.doctor import examine as module
from hico_platform.commands.doctor.finding import Finding, Surroundings, good, warning, wrong
from hico_platform.errors import Problem, UsageError


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the checks are to find."""
    given: list[Finding] = []

    def check(around: Surroundings) -> Iterator[Finding]:
        yield from given

    monkeypatch.setattr(module, "QUICK", [check])
    monkeypatch.setattr(module, "THOROUGH", [])
    return given


def test_one_line_each_and_an_exit_code(
    found: list[Finding], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found += [good("cpus", "2"), warning("compiler", "none", "install one")]
    assert main(["doctor", "--home", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "ok    cpus            2\n!     compiler        none; install one\n"
    found.append(wrong("disk", "full\x1b[2J", "free some space"))
    assert main(["doctor", "--home", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "WRONG disk            full?[2J; free some space"


def test_json(found: list[Finding], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found.append(wrong("disk", "full", "free some space"))
    assert main(["doctor", "--json", "--home", str(tmp_path)]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"about": "disk", "grade": "wrong", "found": "full", "remedy": "free some space"}
    ]


def test_a_search_warns_of_what_the_quick_checks_find(
    found: list[Finding], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*inputs: object, **options: object) -> None:
        raise UsageError(Problem(rule="nothing more", remedy="stop here"))

    monkeypatch.setattr("hico_platform.commands.search_inputs.search_inputs", begun)
    found += [good("cpus", "2"), warning("disk", "3.0 GiB free", "free some space")]
    assert main(["search", "--space", "level_weights.yaml", "--home", str(tmp_path)]) == 2
    assert capsys.readouterr().out.startswith("warning: disk: 3.0 GiB free; free some space\n")

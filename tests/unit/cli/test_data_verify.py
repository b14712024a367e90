from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli import data_verify
from hico_platform.cli.main import main
from hico_platform.errors import Problem
from tests.small import small_store

PROBLEMS = [
    Problem(
        file=Path("/store"), field="digest", rule="the digest of its poses", value="a\x1b[2J", remedy="get it again"
    ),
    Problem(field="name", rule="names that differ", value="s1", remedy=None),
]


@pytest.fixture
def unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_verify, "verify_dataset", lambda *_, **__: PROBLEMS)


def test_a_sound_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_store(tmp_path / "store", count=3)
    assert main(["data", "verify", str(tmp_path / "store")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'store'}: sound\n"
    assert main(["data", "verify", str(tmp_path / "store"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sound": True, "problems": []}


@pytest.mark.usefixtures("unsound")
def test_every_problem_is_a_line_and_the_code_is_that_of_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "/store"]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line for line in printed.err.splitlines() if line.startswith("error: ")] == [
        "error: /store: digest: expected the digest of its poses, got 'a\\x1b[2J'; get it again",
        "error: name: expected names that differ, got 's1'",
    ]


@pytest.mark.usefixtures("unsound")
def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "/store", "--json"]) == 3
    printed = json.loads(capsys.readouterr().out)
    assert printed["sound"] is False
    assert [problem["field"] for problem in printed["problems"]] == ["digest", "name"]

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.data.store import Store
from tests.unit.data.test_merge import store


def merged(folder: Path, *more: str) -> int:
    words = ["data", "merge", str(folder / "one"), str(folder / "other"), "--home", str(folder / "home")]
    return main([*words, "--out", str(folder / "both"), *more])


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    """Two datasets, of which the second holds twelve of the first's recordings again, without labels."""
    store(tmp_path / "one", "one", {f"a{i}": i for i in range(16)})
    again = {f"b{i}": i if i < 12 else 100 + i for i in range(14)}
    store(tmp_path / "other", "other", again, unlabelled=range(12))
    return tmp_path


def test_what_was_kept_which_copies_were_not_and_what_comes_next_is_said(
    stores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merged(stores) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["kept        16 of one", "kept         2 of other"]
    assert sum(line.startswith("left out ") for line in lines) == 10
    assert "... and 2 more copies; --json names them all" in lines
    assert "one-mine" in lines[-2]
    assert lines[-1] == f"next: hico-platform data info {stores / 'both'}"
    assert len(Store.open(stores / "both")) == 18


def test_json_names_every_copy(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert merged(stores, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["out"], found["kept"]) == (str(stores / "both"), {"one": 16, "other": 2})
    assert len(found["copies"]) == 12


def test_what_is_there_is_not_written_over(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(stores / "both", "both", {"c": 1})
    assert merged(stores) == 3
    assert "a store is never written over another" in capsys.readouterr().err
    assert len(Store.open(stores / "both")) == 1

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hico_platform.cli.main import main
from hico_platform.commands import delete_search as module
from hico_platform.commands.delete_search import Deletion
from hico_platform.search.disk_use import folder_bytes
from hico_platform.search.ledger.optuna_ledger import open_storage, search_names, sqlite_url

DELETION = Deletion(
    name="toy", trials=5, folder=Path("/h/searches/toy"), folder_bytes=2048, runs=6, artifact_bytes=512,
    stored={"s3://a/toy-1": 1024, "s3://b/toy-1": None},
    kept=("toy@champion 2",), champions=("toy@champion 2",),
)  # fmt: skip


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What is deleted, and whether by force; a terminal to ask on is not there."""
    found: list[tuple[str, bool]] = []

    def delete(paths: Any, name: str, *, force: bool) -> None:
        found.append((name, force))

    monkeypatch.setattr(module, "deletion_of", lambda paths, name: DELETION)
    monkeypatch.setattr(module, "delete_search", delete)
    return found


def test_a_dry_run_says_what_would_go(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["delete", "toy", "--dry-run", "--json", "--home", str(home)]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["bytes"] == folder_bytes(home / "searches" / "toy")
    assert (plain["trials"], plain["deleted"]) == (5, False)
    assert search_names(open_storage(sqlite_url(home / "study.db"))) == ("toy",)


def test_it_asks_and_a_no_is_a_no(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["delete", "toy", "--home", str(home)]) == 2
    assert "--yes: expected a terminal to ask on, or --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "")
    assert main(["delete", "toy", "--home", str(home)]) == 1
    assert (home / "searches" / "toy").is_dir()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert main(["delete", "toy", "--home", str(home)]) == 0
    assert not (home / "searches" / "toy").exists()
    assert search_names(open_storage(sqlite_url(home / "study.db"))) == ()


@pytest.mark.parametrize(("answer", "goes"), [(" YES ", True), ("n", False), ("yess", False), ("toy", False)])
def test_only_a_yes_is_a_yes(
    answer: str, goes: bool, deleted: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert main(["delete", "toy", "--home", "/h"]) == (0 if goes else 1)
    assert deleted == ([("toy", False)] if goes else [])


def test_what_goes_and_what_stays_in_words(deleted: list[tuple[str, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    goes = (
        "study        toy, 5 trials\n"
        "folder       2.0 KiB: /h/searches/toy\n"
        "MLflow runs  6, their files in this home 512 B\n"
        "store        1.0 KiB: s3://a/toy-1\n"
        "store        unknown, it does not answer: s3://b/toy-1\n"
        "together     3.5 KiB\n"
        "kept         toy@champion 2, with its run and files\n"
    )
    assert main(["delete", "toy", "--dry-run", "--home", "/h"]) == 0
    assert capsys.readouterr().out == f"{goes}nothing was deleted\n"
    assert deleted == []
    assert main(["delete", "toy", "--yes", "--force", "--home", "/h"]) == 0
    assert capsys.readouterr().out == f"{goes}toy is deleted\n"
    assert deleted == [("toy", True)]


def test_json_asks_nothing(deleted: list[tuple[str, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["delete", "toy", "--json", "--home", "/h"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["errors"]
    assert (problem["field"], problem["remedy"]) == ("--yes", "give --yes, or --dry-run to look")
    assert deleted == []
    assert main(["delete", "toy", "--json", "--yes", "--home", "/h"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "name": "toy", "trials": 5, "folder": "/h/searches/toy", "folder_bytes": 2048, "runs": 6,
        "artifact_bytes": 512, "stored": {"s3://a/toy-1": 1024, "s3://b/toy-1": None}, "bytes": 3584,
        "kept": ["toy@champion 2"], "champions": ["toy@champion 2"],
        "deleted": True,
    }  # fmt: skip
    assert deleted == [("toy", False)]

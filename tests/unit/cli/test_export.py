from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main


def test_a_row_a_trial_or_a_report(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials, curves = tmp_path / "out.json", tmp_path / "curves.csv"
    assert main(["export", "toy", "--json", str(trials), "--home", str(home)]) == 0
    assert capsys.readouterr().out == f"5 trials: {trials}\n"
    assert [row["trial"] for row in json.loads(trials.read_text())] == [0, 1, 2, 3, 4]
    assert main(["export", "toy", "--curves", "--csv", str(curves), "--home", str(home)]) == 0
    with curves.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert capsys.readouterr().out == f"{len(rows)} reports: {curves}\n"
    assert rows[0].keys() >= {"trial", "epoch", "value", "decision"}
    assert next(row["epoch"] for row in rows if row["trial"] == "0") == "1"


def test_a_file_is_replaced_by_force_alone(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    file.write_text("mine")
    words = ["export", "toy", "--json", str(file), "--home", str(home)]
    assert main(words) == 2
    said = capsys.readouterr()
    assert (
        said.err == f"error: {file}: expected a file that does not exist yet; give another, or --force to replace it\n"
    )
    assert said.out == "", "--json names a file here, and asks for no errors as JSON"
    assert file.read_text() == "mine"
    assert main([*words, "--force"]) == 0
    assert len(json.loads(file.read_text())) == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected one of --csv, --json, --parquet; see hico-platform export --help"),
        (["--csv", "a", "--json", "b"],
         "--json: expected an option that goes with --csv; leave out one of the two"),
        (["--csv"], "--csv: expected a value; see hico-platform export --help"),
        (["--csv", "no/folder/a.csv"], "give a file of your own"),
    ],
)  # fmt: skip
def test_wrong_words(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("no").touch()
    assert main(["export", "toy", *words, "--home", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["no"]


def test_an_unknown_search_leaves_no_file(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "toi", "--csv", str(tmp_path / "a.csv"), "--home", str(home)]) == 2
    assert "choose among the searches here: toy" in capsys.readouterr().err
    assert not (tmp_path / "a.csv").exists()

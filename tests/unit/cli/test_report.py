from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hico_platform.cli.main import main


@pytest.mark.slow
def test_the_report_lies_with_the_search_and_is_made_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["report", "toy", "--home", str(home)]) == 0
    file = home / "searches" / "toy" / "report.html"
    assert f"report: {file}" in capsys.readouterr().out
    assert "<title>toy: HiCo search report</title>" in file.read_text()


@pytest.mark.slow
def test_a_file_of_the_users_is_written_over_on_request_alone(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.html"
    file.write_text("mine")
    words = ["report", "toy", "--home", str(home), "--out", str(file)]
    assert main(words) == 2
    assert "a file that does not exist yet" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert main([*words, "--force"]) == 0
    assert "toy: HiCo search report" in file.read_text()
    assert not (home / "searches" / "toy" / "report.html").exists()


def test_json_writes_no_page_unless_one_is_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "toy", "--home", str(home), "--json"]
    assert main(words) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["name"], content["trials"][0]["number"]) == ("toy", 0)
    assert isinstance(content["log_parameters"], list)
    assert list(home.rglob("*.html")) == []
    assert main([*words, "--out", str(tmp_path / "page.html")]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again == {**content, "made": again["made"]}, "the time apart"
    assert (tmp_path / "page.html").exists()


def test_json_is_for_those_who_may_only_read_and_a_page_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))
    assert main(["report", "toy", "--home", str(home), "--json"]) == 0
    capsys.readouterr()
    assert main(["report", "toy", "--home", str(home)]) == 2
    assert "give a file of your own by --out FILE.html" in capsys.readouterr().err


def test_several_searches_are_a_list_and_one_page(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "toy", "toy", "--home", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "toy", "the same search twice is one"
    assert main(["report", "toy", "none", "--home", str(home), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["errors"][0]["value"] == "none"

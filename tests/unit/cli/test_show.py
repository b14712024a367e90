"""A search and a trial, whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main
from hico_platform.cli.views.sizes import shown_bytes, shown_duration
from hico_platform.cli.views.sparkline import sparkline
from tests.unit.cli.test_search import finished, home

__all__ = ["finished", "home"]


def test_a_search(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "toy", "--home", str(home)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("toy: finished, 5 of 5 trials ended\n")
    assert "contrast.temperature 0.05 to 0.5 (log)" in text
    assert "model.encoder one of gru, lstm, transformer" in text
    assert "digest dddddddddddd" in text
    assert "trial 4: ValueError: no" in text
    assert f"hico-platform retrain toy --home {home}" in text
    assert main(["show", "toy", "--json", "--home", str(home)]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert (whole["state"], whole["facts"]["protocol"], whole["space"]["trials"]) == ("finished", "xsub", 5)


def test_a_trial(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "toy", "--json", "--home", str(home)]) == 0
    number = json.loads(capsys.readouterr().out)["best"]["number"]
    assert main(["show", "toy", str(number), "--home", str(home)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"toy, trial {number}: complete at epoch 9 of 9, the best\n")
    for word in ("contrast.temperature ", "curve         ▁", "continue, ", "recognition_top1 0.", "checkpoint  "):
        assert word in text
    assert main(["show", "toy", "4", "--home", str(home)]) == 0
    assert "reason        ValueError: no" in capsys.readouterr().out
    assert main(["show", "toy", str(number), "--json", "--home", str(home)]) == 0
    trial = json.loads(capsys.readouterr().out)
    assert [report["epoch"] for report in trial["reports"]] == [1, 3, 9]
    assert trial["config"]["contrast"]["temperature"] == trial["values"]["contrast.temperature"]


def test_a_trial_that_there_is_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "toy", "9", "--home", str(home)]) == 2
    assert "TRIAL: expected the number of a trial of toy, got 9; give one of 0 to 4" in capsys.readouterr().err


def test_the_list(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--home", str(home)]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["name", "who", "state", "trials"]
    assert line.split()[2:4] == ["finished", "5/5"]
    assert main(["list", "--json", "--home", str(home)]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["trials"] == {"ended": 5, "begun": 5, "limit": 5}
    assert main(["list", "--tag", "none", "--home", str(home)]) == 0
    assert capsys.readouterr().out == "no searches with the tag none\n"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0.5], "▅"),
        ([0.0, 1.0], "▁█"),
        ([0.0, float("nan"), 1.0], "▁?█"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
    ],
)
def test_a_curve_as_text(values: list[float], line: str) -> None:
    assert sparkline(values) == line
    assert len(sparkline(list(range(100)), width=30)) == 30
    assert sparkline([0.0, 1.0], ascii_only=True) == "_#"


def test_amounts() -> None:
    shown = [shown_bytes(count) for count in (None, 0, 1023, 1536, 1024**3)]
    assert shown == ["-", "0 B", "1023 B", "1.5 KiB", "1.0 GiB"]
    assert [shown_duration(s) for s in (-1, 59, 61, 5400, 86400 * 3)] == ["0s", "59s", "1m", "1.5h", "3d"]

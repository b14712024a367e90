"""A search and a trial, whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main


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

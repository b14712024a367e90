from __future__ import annotations

import json
from pathlib import Path

import pytest

from hico_platform.cli.main import main


def synth(*more: str) -> int:
    return main(["data", "synth", "--preset", "tiny", *more])


def test_store_and_skeleton_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, raw = tmp_path / "out", tmp_path / "raw"
    assert synth("--out", str(out), "--write-skeleton", str(raw), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["sequences"], said["preset"], said["seed"]) == (48, "tiny", 0)
    assert len(list(raw.glob("S*.skeleton"))) == 48
    assert main(["data", "verify", str(out)]) == 0


def test_text_says_what_was_made_and_what_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synth("--out", str(tmp_path / "out"), "--seed", "5") == 0
    said = capsys.readouterr().out
    assert "48 sequences of 4 classes; digest " in said
    assert f"next: hico-platform data info {tmp_path / 'out'}" in said


def test_an_existing_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "mine").touch()
    assert synth("--out", str(tmp_path / "out"), "--write-skeleton", str(tmp_path / "raw")) == 3
    assert "never written over another" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "-1"], "seed: expected at least 0, got -1"),
        (["--write-skeleton", "OUT"], "write-skeleton: expected another folder than out"),
    ],
)
def test_usage(words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert synth("--out", out, *(out if word == "OUT" else word for word in words)) == 2
    assert message in capsys.readouterr().err

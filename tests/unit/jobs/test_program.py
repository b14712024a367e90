"""A cluster's own program: missing, silent, refusing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.jobs import program
from hico_platform.jobs.program import run_program

WORDS = {"rule": "a job that Slurm takes", "refused_remedy": "choose another", "missing_remedy": "run it elsewhere"}


def put(folder: Path, body: str, name: str = "sbatch") -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def test_a_program_gets_the_text_and_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, 'echo "$1:$(cat)"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert run_program("sbatch", "--parsable", text="script", **WORDS) == "--parsable:script\n"


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UsageError, match="sbatch: expected the program sbatch in one of the folders of PATH, got 'none'"
    ):
        run_program("sbatch", text="", **WORDS)


def test_a_refusal_is_told_in_the_programs_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "echo 'sbatch: error: no such partition' >&2; echo 'sbatch: error: failed' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(UsageError) as caught:
        run_program("sbatch", text="", **WORDS)
    assert str(caught.value) == (
        "sbatch: expected a job that Slurm takes, got 'no such partition; failed'; choose another"
    )


def test_a_program_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "exec sleep 20")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(program, "_PATIENCE_S", 0.1)
    with pytest.raises(UsageError, match="no answer in 0 s"):
        run_program("sbatch", text="", **WORDS)

"""What Slurm's sbatch is asked, and what it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hico_platform.errors import UsageError
from hico_platform.jobs.sbatch import environment_for, queue, would_queue
from tests.unit.jobs.test_program import put

SCRIPT = "#!/bin/bash\n#SBATCH --partition=gpu\n#SBATCH --cpus-per-task=4\n#SBATCH --export=NONE\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize("said", ["123", "123;cluster2"])
def test_a_jobs_number(path: Path, said: str) -> None:
    put(path, f"echo '{said}'")
    assert queue(SCRIPT) == 123


def test_an_answer_without_a_number(path: Path) -> None:
    put(path, "echo welcome")
    with pytest.raises(UsageError, match="sbatch: expected the number of a job, got 'welcome'; see squeue"):
        queue(SCRIPT)


def test_a_trial_of_a_script_says_when_it_would_begin(path: Path) -> None:
    put(path, 'echo "sbatch: Job 1 to start at 2026 ($1)" >&2')
    assert would_queue(SCRIPT) == "Job 1 to start at 2026 (--test-only)"


def test_no_variable_takes_the_place_of_an_option() -> None:
    given = {
        "SBATCH_PARTITION": "x",
        "SBATCH_EXPORT": "ALL",
        "SBATCH_NO_REQUEUE": "1",
        "SBATCH_RESERVATION": "r",
        "A": "b",
    }
    assert environment_for(SCRIPT, given) == {"SBATCH_RESERVATION": "r", "A": "b"}

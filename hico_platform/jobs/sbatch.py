"""Gives a script to Slurm."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from hico_platform.errors import Problem, UsageError
from hico_platform.jobs.program import run_program

_OPTION = re.compile(r"^#SBATCH --([a-z-]+)", re.MULTILINE)
_SEEN_REMEDY = "choose among what sinfo and sacctmgr list, under cluster: in the space or by --set"


def queue(script: str) -> int:
    """Queues a script; gives the job's number.

    Raises:
        UsageError: there is no Slurm here, or it refuses the job, with its own reason.
    """
    said = _sbatch(script, "--parsable")
    number = said.split(";")[0].strip()
    if not number.isdigit():
        raise UsageError(
            Problem(field="sbatch", rule="the number of a job", value=said.strip(), remedy="see squeue --me")
        )
    return int(number)


def would_queue(script: str) -> str:
    """What Slurm says of when and where a script would run; queues nothing.

    Raises:
        UsageError: as :func:`queue`.
    """
    return _sbatch(script, "--test-only").strip().removeprefix("sbatch: ")


def environment_for(script: str, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which no variable of sbatch takes the place of what the script says."""
    given = {f"SBATCH_{name.upper().replace('-', '_')}" for name in _OPTION.findall(script)}
    given |= {"SBATCH_NO_REQUEUE", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU", "SBATCH_TIMELIMIT", "SBATCH_JOB_NAME"}
    return {name: value for name, value in environment.items() if name not in given}


def _sbatch(script: str, option: str) -> str:
    return run_program(
        "sbatch",
        option,
        text=script,
        environment=environment_for(script, os.environ),
        rule="a job that Slurm takes",
        refused_remedy=_SEEN_REMEDY,
        missing_remedy="run it where sbatch is, as on a login node, or take the script along: --out FILE",
    )

"""Runs a cluster's own program with a text on its standard input."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from hico_platform.bounded_process import run_bounded
from hico_platform.errors import Problem, UsageError

_PATIENCE_S = 120.0


def run_program(
    name: str,
    *words: str,
    text: str,
    environment: Mapping[str, str] | None = None,
    rule: str,
    refused_remedy: str,
    missing_remedy: str,
) -> str:
    """What a program says on both of its outputs, once it has taken a text.

    Args:
        name: looked for in PATH.
        words: its arguments.
        text: its standard input.
        environment: of the program; None for this process's.
        rule: what it is to be given, for an error.
        refused_remedy: what to do where it does not take the text.
        missing_remedy: what to do where there is no such program.

    Raises:
        UsageError: there is no such program, it does not answer, or it refuses.
    """
    if shutil.which(name) is None:
        raise UsageError(
            Problem(
                field=name,
                rule=f"the program {name} in one of the folders of PATH",
                value="none",
                remedy=missing_remedy,
            )
        )
    try:
        done = run_bounded([name, *words], timeout_s=_PATIENCE_S, text=text, environment=environment)
    except subprocess.TimeoutExpired:
        remedy = "check that the cluster's controller can be reached"
        value = f"no answer in {_PATIENCE_S:.0f} s"
        raise UsageError(Problem(field=name, rule=rule, value=value, remedy=remedy)) from None
    if done.returncode:
        value = _reason((done.stderr or done.stdout).decode(errors="replace")) or f"exit code {done.returncode}"
        raise UsageError(Problem(field=name, rule=rule, value=value, remedy=refused_remedy))
    return (done.stdout or done.stderr).decode(errors="replace")


def _reason(said: str) -> str:
    """The lines of an error, without the names of programs before them, as one."""
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ").strip() for line in said.splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line))

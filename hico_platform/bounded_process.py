"""Programs that get so much time and no more, with all that they have started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_bounded(
    command: Sequence[str],
    *,
    timeout_s: float,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    captured: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program in a session of its own, which is killed whole when its time is up or this process is interrupted.

    ``subprocess.run`` kills the program alone: what it started goes on, and keeps a pipe open for which this process
    would wait without end.

    Args:
        command: the program with its arguments; no shell reads them.
        timeout_s: how long it may take.
        text: on its standard input; by default nothing.
        environment: in place of this process's.
        folder: in which it runs.
        captured: whether its output is kept; else it goes nowhere.

    Raises:
        OSError: it cannot be run.
        TimeoutExpired: its time was up.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE if captured else subprocess.DEVNULL,
        stderr=subprocess.PIPE if captured else subprocess.DEVNULL,
        env=None if environment is None else dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    try:
        out, said = process.communicate(None if text is None else text.encode(), timeout=timeout_s)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    return subprocess.CompletedProcess(command, process.returncode, out, said)

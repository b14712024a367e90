"""A program whose time is up ends with all that it has started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hico_platform.bounded_process import run_bounded

CHILD = (
    "import subprocess, sys, time; child = subprocess.Popen(['sleep', '60']); "
    "open(sys.argv[1], 'w').write(f'{child.pid} '); time.sleep(60)"
)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("captured", [True, False])
def test_what_it_started_ends_with_it_and_keeps_nobody_waiting(captured: bool, tmp_path: Path) -> None:
    file, began_s = tmp_path / "pid", time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run_bounded([sys.executable, "-S", "-c", CHILD, str(file)], timeout_s=3, captured=captured)
    assert time.monotonic() - began_s < 30, "the child kept the pipe open"
    child = int(file.read_text())
    end_s = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < end_s:
        time.sleep(0.02)
    assert not is_alive(child)


def test_input_output_environment_and_folder(tmp_path: Path) -> None:
    command = ["sh", "-c", "cat; pwd; echo $A; echo no >&2; exit 3"]
    done = run_bounded(command, timeout_s=20, text="é\n", environment={**os.environ, "A": "b"}, folder=tmp_path)
    assert (done.returncode, done.stderr) == (3, b"no\n")
    assert done.stdout.decode() == f"é\n{tmp_path}\nb\n"
    with pytest.raises(subprocess.CalledProcessError):
        done.check_returncode()
    assert run_bounded(["true"], timeout_s=20, captured=False).stdout is None
    with pytest.raises(FileNotFoundError):
        run_bounded(["no such program"], timeout_s=20)


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert run_bounded(["true"], timeout_s=20, text="a" * 10**6).returncode == 0

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hico_platform.search.ray_executor.processes import cluster_processes, end_processes

if not Path("/proc/self/stat").exists():
    pytest.skip("there is no /proc", allow_module_level=True)


def test_children_of_the_cluster_and_what_they_started_are_ended(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    raylet = subprocess.Popen(
        [sys.executable, "-c", code, f"--socket={tmp_path}/r/socket"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert raylet.stdout is not None
        agent = int(raylet.stdout.readline())
        processes = cluster_processes(tmp_path)
        assert {pid for pid, _ in processes} == {raylet.pid, agent}
        raylet.kill()
        raylet.wait()
        end_processes(processes, within_s=10)
        assert not Path(f"/proc/{agent}").exists() or "Z" in Path(f"/proc/{agent}/stat").read_text().split(")")[-1]
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_another_process_under_an_old_id_is_left_alone() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    end_processes(frozenset({(other.pid, "1")}), within_s=0)
    assert other.poll() is None
    other.kill()
    other.wait()

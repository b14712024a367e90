"""A cluster of its own starts whatever the environment says, or says why not; what cannot fit is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import test_search as search
from tests.e2e.test_search import LIMIT_S, ROOT

pytestmark = pytest.mark.e2e


def driver(home: Path, *, wrap: tuple[str, ...] = (), environment: dict[str, str] | None = None, **options: object):
    return subprocess.run(
        [*wrap, sys.executable, "-m", "tests.e2e.driver", str(home), json.dumps(options)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


def test_an_environment_made_for_other_clusters(tmp_path: Path) -> None:
    """A long TMPDIR as Slurm's and macOS's, an address, and no tokens."""
    deep = tmp_path / ("temporary-files-of-a-job-" * 3)
    deep.mkdir()
    environment = {"TMPDIR": str(deep), "RAY_ADDRESS": "127.0.0.1:1", "RAY_AUTH_MODE": "disabled"}
    done = driver(tmp_path, environment=environment, trials=2)
    assert done.returncode == 0, done.stdout + done.stderr
    search.check_whole(tmp_path, trials=2)
    assert list(deep.glob("hicoray-*")) == []


@pytest.mark.parametrize("resources", [{"cpus": 8}, {"cpus": 1, "gpus": 1}])
def test_more_than_there_is_is_refused_before_anything_begins(tmp_path: Path, resources: dict[str, float]) -> None:
    done = driver(tmp_path, trials=2, gpus=0, space={"resources": resources})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "that a search may use on this machine, got" in done.stdout
    assert not (tmp_path / "study.db").exists()


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs namespaces, and root for them")
def test_a_machine_that_does_not_reach_itself(tmp_path: Path) -> None:
    done = driver(tmp_path, wrap=("unshare", "--net"), trials=2)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Ray: expected a connection of this machine to itself, at 127.0.0.1, got" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_folder_that_vanishes(tmp_path: Path) -> None:
    started = search.start(tmp_path, trials=3, epoch_s=0.2, log=True)
    search.wait_for_lines(tmp_path / "log", 3)
    (folder,) = {
        word.partition("=")[2].partition("/r/")[0]
        for line in search.ray_processes(started.pid)
        for word in line.split()
        if word.startswith("--raylet_socket_name=")
    }
    shutil.rmtree(folder, ignore_errors=True)
    output, _ = started.communicate(timeout=LIMIT_S)
    assert started.returncode == 1, output
    assert "a Ray cluster that lives as long as the search, got 'its folder" in output
    search.finish(search.start(tmp_path, trials=3, resume=True, log=True))
    search.check_whole(tmp_path, trials=3)

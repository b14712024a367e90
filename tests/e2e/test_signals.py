"""SIGTERM and SIGHUP end a search as Ctrl-C does, whoever gets them and whatever the tracking server does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hico_platform.checkpoint import newest_checkpoint
from hico_platform.home import mlflow_uri
from hico_platform.search.ledger.base import TrialState
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.e2e import test_search as search
from tests.e2e.test_search import LIMIT_S, ROOT
from tests.small import small_store

pytestmark = pytest.mark.e2e

SPACE = """
name: tiny
base:
  model: {hidden_width: 16, projection_width: 8, encoder: gru, layers: 1}
  budget: {epochs: 1000000, batch_size: 8}
  contrast: {queue_size: 24}
  views: {frames: 16, min_crop_frames: 8}
search:
  contrast.temperature: {low: 0.05, high: 0.5, log: true}
trials: 2
scheduler: {name: none}
resources: {max_concurrent: 1}
"""


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid"], check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()[1:]]
    found = [pid]
    for parent in found:
        found += [child for child, of in rows if of == parent]
    return found


def test_asked_to_end_then_resumed(tmp_path: Path) -> None:
    """One search, ended in each way in turn and resumed after it; ``everyone``: as Slurm and systemd do, and a closed
    terminal."""
    ways = [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGHUP, True), (signal.SIGUSR1, False)]
    log, begun = tmp_path / "log", 0
    options = {"trials": 6, "log": True, "space": {"scheduler": {"name": "none", "report_every": 1}}}
    for turn, (number, everyone) in enumerate(ways):
        driver = search.start(tmp_path, epoch_s=0.4, resume=turn > 0, **options)
        search.wait_for_lines(log, begun + 3)
        for pid in family(driver.pid) if everyone else [driver.pid]:
            os.kill(pid, number)
        output, _ = driver.communicate(timeout=LIMIT_S)
        assert driver.returncode == 130, output
        assert output.endswith("interrupted\n")
        assert not search.ray_processes(driver.pid)
        runs = MlflowTracker(uri=mlflow_uri(tmp_path), artifacts=None).runs("toy")
        by_key = {key: run.status for key, run in runs.items()}
        assert RunStatus.RUNNING not in by_key.values()
        assert next(status for key, status in by_key.items() if "/" not in key) is RunStatus.KILLED
        assert TrialState.FAILED not in {trial.state for trial in search.trials_of(tmp_path)}
        begun = len(log.read_text().splitlines())
    search.finish(search.start(tmp_path, resume=True, **options))
    search.check_whole(tmp_path, trials=6)


def test_while_the_cluster_starts(tmp_path: Path) -> None:
    driver = search.start(tmp_path, trials=2)
    deadline = time.monotonic() + LIMIT_S
    while len(family(driver.pid)) < 2 and time.monotonic() < deadline:  # Ray's first process
        time.sleep(0.02)
    driver.send_signal(signal.SIGTERM)
    output, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 130, output
    assert not search.ray_processes(driver.pid)
    search.finish(search.start(tmp_path, trials=2, resume=True))
    search.check_whole(tmp_path, trials=2)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accepts connections, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    accepted.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in accepted:
            connection.close()


def test_the_command_saves_the_last_whole_epoch_whatever_the_tracking_server_does(
    tmp_path: Path, silent_server: str
) -> None:
    space = tmp_path / "tiny.yaml"
    space.write_text(SPACE)
    small_store(tmp_path / "store")
    (tmp_path / "half.yaml").write_text("train: {subject: [0, 1, 2, 3]}\n")
    driver = subprocess.Popen(
        [
            sys.executable, "-m", "hico_platform", "search", "--space", str(space), "--home", str(tmp_path),
            "--data", str(tmp_path / "store"), "--protocol", str(tmp_path / "half.yaml"), "--tracking", silent_server,
        ],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert driver.stdout is not None
    lines = []
    for line in driver.stdout:
        lines.append(line)
        if "training to the first report" in line:
            break
    time.sleep(15)  # many epochs of a moment each, and no minute, after which it would save by itself
    driver.send_signal(signal.SIGTERM)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == 130, "".join(lines) + output
    assert "writes did not reach the tracking store; --resume makes up for them" in output
    assert f"interrupted; go on with: hico-platform search --resume --name tiny --home {tmp_path}" in output
    (trial,) = (tmp_path / "searches" / "tiny").glob("trials*/0000")
    checkpoint = newest_checkpoint(trial)
    assert checkpoint is not None
    assert checkpoint.epoch > 1
    assert [epoch for epoch, _ in checkpoint.facts["history"]] == list(range(1, checkpoint.epoch + 1))
    shown = subprocess.run(
        [sys.executable, "-m", "hico_platform", "status", "tiny", "--home", str(tmp_path), "--json"],
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert json.loads(shown.stdout)["state"] == "interrupted"

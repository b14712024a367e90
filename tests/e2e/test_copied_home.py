"""A home that was copied, and whose original is gone, in MLflow's pages."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.mlflow_store import mlflow_home

pytestmark = pytest.mark.e2e


def test_the_pages_serve_artifacts_of_a_copied_home(tmp_path: Path) -> None:
    home, there = tmp_path / "home", tmp_path / "there"
    tracker = mlflow_home(home)
    run_id = tracker.open_run(experiment="toy", key="a", name="a", parent=None, params={}, tags={}, at_s=1.0)
    tracker.log_text(run_id, "hello", name="a.txt")
    shutil.copytree(home, there)
    shutil.rmtree(home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = tmp_path / "token"
    options = ["--home", str(there), "--port", str(port), "--token-file", str(token)]
    token.write_text("a-token-of-the-test-alone")
    token.chmod(0o600)
    server = subprocess.Popen(
        [sys.executable, "-m", "hico_platform", "ui", *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert answer(f"http://127.0.0.1:{port}/get-artifact?path=a.txt&run_uuid={run_id}", token) == b"hello"
    finally:
        server.terminate()
        server.wait(30)
    assert not home.exists()


def answer(address: str, token: Path) -> bytes:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token.read_text()}"})
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as page:
                return bytes(page.read())
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)

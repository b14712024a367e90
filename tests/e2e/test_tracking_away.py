"""A real MLflow server that goes away in the middle of a search and comes back, with the driver alive and dead."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hico_platform.tracking.mlflow_tracker import ENVIRONMENT
from tests.e2e import test_search as search

pytestmark = pytest.mark.e2e

START_S = 120


class Server:
    """An MLflow server over its own SQLite store; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
                "--backend-store-uri", f"sqlite:///{self.folder}/server.db",
                "--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **ENVIRONMENT},
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(f"the MLflow server did not start in {START_S} s")

    def stop(self) -> None:
        """At once, in the middle of whatever it does."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop()


def test_a_server_that_goes_away_and_comes_back(server: Server, tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "home" / "log"
    server.start()
    options = {"epoch_s": 0.1, "tracking": server.uri, "log": True}

    # The driver lives through it: what waited arrives, in order, once.
    driver = search.start(home, trials=4, **options)
    search.wait_for_lines(log, 6)
    server.stop()
    search.wait_for_lines(log, 16)
    server.start()
    output = search.finish(driver)
    assert "the tracking store is away, the search goes on" in output
    search.check_whole(home, trials=4, tracking=server.uri)

    # The driver ends, or is killed, while it is away: the next one finds in the ledger what the server lacks.
    server.stop()
    lines = len(log.read_text().splitlines())
    driver = search.start(home, trials=6, resume=True, **options)
    search.wait_for_lines(log, lines + 6)
    search.kill_session(driver)
    server.start()
    search.finish(search.start(home, trials=6, resume=True, **options))
    search.check_whole(home, trials=6, tracking=server.uri)

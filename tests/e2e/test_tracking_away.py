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
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hico_platform.search.controller import SearchController
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.scheduler.make import make_scheduler
from hico_platform.tracking.base import RunStatus
from hico_platform.tracking.mlflow_client import ENVIRONMENT
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.search_logger import SearchLogger
from tests.e2e import test_search as search
from tests.toy import FACTS, run_toy_task, toy_space

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


class Search:
    """A search in this process, without Ray; it can be dropped and begun again as by the next driver."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder, self.uri = folder, uri
        self.space = toy_space(trials=6)
        self.storage = open_storage(sqlite_url(folder / "study.db"))
        self.ledger = StudyLedger.create(
            self.storage, name="toy", space=self.space, facts=FACTS, limit=6, at_s=time.time()
        )
        self.begin()

    def begin(self) -> None:
        self.ledger = StudyLedger.open(self.storage, name="toy")
        self.outbox = Outbox(first_wait_s=0.05, most_waiting=8)
        self.logger = SearchLogger(
            ledger=self.ledger,
            space=self.space,
            tracker=MlflowTracker(uri=self.uri, artifacts=None),
            outbox=self.outbox,
            checkpoint=lambda recorded: self.folder / "trials" / recorded,
        )
        self.controller = SearchController(
            ledger=self.ledger,
            space=self.space,
            scheduler=make_scheduler(self.space.settings.scheduler, epochs=9),
            directory=self.folder / "trials",
            observe=self.logger,
        )

    def work(self, before_report: Callable[[int], None] = lambda epoch: None) -> None:
        """The next trial, to its end."""
        task = self.controller.next_task()
        assert task is not None
        run_toy_task(self.controller, task, before_report=before_report)


def test_a_server_that_goes_away_and_comes_back(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    server.start()
    one = Search(home, server.uri)
    # Away from the middle of a trial on, for more than the line holds; the driver lives through it.
    one.work()
    one.work(before_report=lambda epoch: server.stop())
    one.work()
    one.work()
    assert one.outbox.waiting <= 8 + 1
    deadline = time.monotonic() + START_S
    while one.outbox.trouble is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert one.outbox.trouble is not None
    server.start()
    assert one.logger.close(status=RunStatus.KILLED, patience_s=START_S) == 0
    # The next driver ends while it is away; the one after finds in the ledger what the server lacks.
    one.begin()
    server.stop()
    one.work()
    assert one.logger.close(status=RunStatus.KILLED, patience_s=0.1) > 0
    server.start()
    one.begin()
    one.work()
    assert one.logger.close(status=RunStatus.FINISHED, patience_s=START_S) == 0
    search.check_whole(home, trials=6, tracking=server.uri)


def test_a_driver_killed_while_the_server_is_away(server: Server, tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "home" / "log"
    server.start()
    options = {"trials": 4, "epoch_s": 0.1, "tracking": server.uri, "log": True}
    driver = search.start(home, **options)
    search.wait_for_lines(log, 6)
    server.stop()
    search.wait_for_lines(log, 12)
    search.kill_session(driver)
    server.start()
    search.finish(search.start(home, resume=True, **options))
    search.check_whole(home, trials=4, tracking=server.uri)

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from hico_platform.home import mlflow_uri
from hico_platform.tracking import tracker_process as module
from hico_platform.tracking.base import Point, Tracker, TrackingError, TrackingRefused
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from hico_platform.tracking.outbox import Outbox
from hico_platform.tracking.tracker_process import TrackerEndedError, tracker_process
from tests.mlflow_store import mlflow_home
from tests.unit.tracking import test_mlflow_tracker
from tests.unit.tracking.contract import TrackerContract

pytestmark = pytest.mark.slow  # MLflow is imported by each process


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    mlflow_home(folder)
    return folder


@pytest.fixture(scope="module")
def process(home: Path) -> Iterator[Tracker]:
    with tracker_process(uri=mlflow_uri(home), artifacts=home / "mlartifacts") as tracker:
        yield tracker


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "tracker_server" in " ".join(one.cmdline())]


class TestTrackerProcess(TrackerContract):
    """The same as in this process; what it has written is read by another tracker."""

    here = test_mlflow_tracker.TestMlflowTracker()

    @pytest.fixture
    def tracker(self, process: Tracker) -> Tracker:
        return process

    @pytest.fixture(autouse=True)
    def beside(self, home: Path) -> None:
        self.store = MlflowTracker(uri=mlflow_uri(home), artifacts=home / "mlartifacts")

    def metrics(self, tracker: Tracker, run_id: str) -> dict[str, list[tuple[int, float]]]:
        return self.here.metrics(self.store, run_id)

    def params(self, tracker: Tracker, run_id: str) -> dict[str, str]:
        return self.here.params(self.store, run_id)

    def artifacts(self, tracker: Tracker, run_id: str) -> list[str]:
        return self.here.artifacts(self.store, run_id)

    def datasets(self, tracker: Tracker, run_id: str) -> list[str]:
        return self.here.datasets(self.store, run_id)

    def models(self, tracker: Tracker, experiment: str) -> list[tuple[str, str]]:
        return self.here.models(self.store, experiment)

    def images(self, tracker: Tracker, run_id: str) -> list[str]:
        return self.here.images(self.store, run_id)

    def experiment_tags(self, tracker: Tracker, experiment: str) -> dict[str, str]:
        return self.here.experiment_tags(self.store, experiment)

    def aliases(self, tracker: Tracker, name: str) -> dict[str, int]:
        return self.here.aliases(self.store, name)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def open_run(tracker: Tracker, key: str, **more: object) -> str:
    return tracker.open_run(
        experiment="toy", key=key, name=key, parent=None, params={}, tags={}, at_s=1000.0, **more
    )  # fmt: skip


def test_errors_keep_what_they_say(process: Tracker, tmp_path: Path) -> None:
    with pytest.raises(TrackingRefused) as refused:
        process.run("0" * 32)
    assert "not found" in str(refused.value)
    assert refused.value.remedy is not None
    with (
        tracker_process(uri="http://127.0.0.1:9", artifacts=None) as away,
        pytest.raises(TrackingError, match="refused") as error,
    ):
        away.runs("toy")
    assert not error.value.answered


def test_signals_that_reach_everyone_do_not_end_it(process: Tracker) -> None:
    process.check("toy")
    (child,) = children()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        child.send_signal(number)
    time.sleep(0.2)
    assert open_run(process, "signalled") == open_run(process, "signalled")
    assert children() == [child]
    assert os.getsid(child.pid) == child.pid, "Ctrl-C in a terminal is the driver's alone"


def test_a_killed_one_is_started_again_and_makes_no_run_twice(process: Tracker, home: Path) -> None:
    process.check("toy")
    before = open_run(process, "before")
    (child,) = children()
    child.kill()
    child.wait()
    with pytest.raises(TrackingError, match=r"the process that writes to .* ended"):
        process.log_points(before, [Point(epoch=1, at_s=1.0, metrics={"loss": 1.0})])
    # It may have made the run whose answer was lost, so the promise that there is none is not believed.
    assert open_run(process, "before", fresh=True) == before
    assert children() != [child]
    assert [run.key for run in process.runs("toy").values()].count("before") == 1


def test_threads_do_not_wait_for_each_other(process: Tracker) -> None:
    run = open_run(process, "threads")
    written: list[int] = []

    def write(number: int) -> None:
        for epoch in range(5):
            process.log_points(run, [Point(epoch=epoch, at_s=1.0, metrics={f"loss{number}": 1.0})])
        written.append(number)

    threads = [threading.Thread(target=write, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == [0, 1, 2]


def test_a_call_that_hangs_holds_no_end(silent_server: str) -> None:
    with tracker_process(uri=silent_server, artifacts=None) as tracker:
        errors: list[TrackingError] = []

        def call() -> None:
            try:
                tracker.runs("toy")
            except TrackingError as error:
                errors.append(error)

        calling = threading.Thread(target=call)
        calling.start()
        while not children():
            time.sleep(0.05)
        time.sleep(3)  # until it asks the server
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 15
    calling.join(timeout=30)
    assert len(errors) == 1
    with pytest.raises(TrackerEndedError):
        tracker.runs("toy")


def test_an_outbox_that_is_left_behind_tries_no_more(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tracker_process(uri=mlflow_uri(home), artifacts=home / "mlartifacts") as tracker:
        outbox = Outbox()
    for _ in range(3):
        outbox.submit(lambda: tracker.check("toy"))
    end_s = time.monotonic() + 30
    while outbox.waiting:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    assert caplog.text == ""


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Another program in the interpreter's place."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))


def test_one_that_never_answers_holds_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, monkeypatch, "exec sleep 100")
    errors: list[BaseException] = []
    with tracker_process(uri=mlflow_uri(tmp_path), artifacts=None) as tracker:

        def call() -> None:
            try:
                tracker.check("toy")
            except (TrackingError, TrackerEndedError) as error:
                errors.append(error)

        calling = threading.Thread(target=call)
        calling.start()
        monkeypatch.setattr(module, "END_S", 0.2)
        time.sleep(0.5)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 15
    calling.join(timeout=30)
    assert len(errors) == 1
    monkeypatch.setattr(module, "START_S", 0.1)
    with (
        tracker_process(uri=mlflow_uri(tmp_path), artifacts=None) as tracker,
        pytest.raises(TrackingError, match=r"does not start \(TimeoutError: no answer within 0.1 s\)"),
    ):
        tracker.check("toy")


@pytest.mark.parametrize("cause", ["no folder for the socket", "no memory for a process"])
def test_what_keeps_it_from_starting_passes_and_leaves_nothing(
    cause: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with tracker_process(uri=mlflow_uri(home), artifacts=home / "mlartifacts") as tracker:
        with monkeypatch.context() as patched:
            if cause == "no memory for a process":
                patched.setattr(subprocess, "Popen", raising(OSError(errno.ENOMEM, cause)))
            else:
                patched.setattr(tempfile, "mkdtemp", raising(OSError(errno.ENOSPC, cause)))
            with pytest.raises(TrackingError, match=cause):
                tracker.check("toy")
        assert list(tmp_path.iterdir()) == []
        tracker.check("toy")


def raising(error: Exception) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


def test_a_thread_that_cannot_reach_it_is_told_so_and_the_next_call_starts_another(home: Path) -> None:
    with tracker_process(uri=mlflow_uri(home), artifacts=home / "mlartifacts") as tracker:
        tracker.check("toy")
        shutil.rmtree(tracker._server.folder)  # type: ignore[attr-defined]  (as what tidies up /tmp may do)
        with ThreadPoolExecutor(1) as other:
            with pytest.raises(TrackingError, match="ended"):
                other.submit(tracker.check, "toy").result()
            other.submit(tracker.check, "toy").result()


def test_what_cannot_be_handed_over_is_refused(process: Tracker) -> None:
    process.check("toy")
    children_before = children()
    with pytest.raises(TrackingRefused):
        process.set_tags("1", {"a": lambda: 1})  # type: ignore[dict-item]
    process.check("toy")
    assert children() == children_before


def test_it_starts_whatever_the_surroundings(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello', flush=True)")
    (tmp_path / "json.py").write_text("raise SystemExit('not the one')")  # lies in the folder of the command alone
    long = tmp_path / ("x" * 90)
    long.mkdir()
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "sitecustomize.py").rename(site / "sitecustomize.py")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr(sys, "path", [*sys.path, Path("/nowhere"), b"/nowhere"])
    with tracker_process(uri=mlflow_uri(home), artifacts=home / "mlartifacts") as tracker:
        tracker.check("toy")


def test_it_ends_with_a_driver_that_is_killed(home: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; "
        "from hico_platform.tracking.tracker_process import tracker_process\n"
        "with tracker_process(uri=sys.argv[1], artifacts=Path(sys.argv[2])) as tracker:\n"
        "    tracker.check('toy'); server = tracker._server\n"
        "    if os.fork() == 0: time.sleep(60); os._exit(0)\n"  # which has the other end of its input, too
        "    print(server.process.pid, server.folder, 'mlflow' in sys.modules, flush=True)\n"
        "    time.sleep(60)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code, mlflow_uri(home), str(home / "mlartifacts")], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    pid, folder, imported = driver.stdout.readline().split()
    assert imported == "False", "the driver is to do without MLflow"
    assert Path(folder).is_dir()
    driver.kill()
    driver.wait()
    end_s = time.monotonic() + 30
    while psutil.pid_exists(int(pid)):
        assert time.monotonic() < end_s
        time.sleep(0.05)
    assert not Path(folder).exists()


def test_what_it_complains_of_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    fake(tmp_path, monkeypatch, "echo 'no postgresql://me:secret@host' >&2; exit 1")
    with (
        caplog.at_level(logging.WARNING),
        tracker_process(uri=mlflow_uri(tmp_path), artifacts=None) as tracker,
    ):
        for _ in range(3):
            with pytest.raises(TrackingError, match="does not start"):
                tracker.check("toy")
    end_s = time.monotonic() + 30
    while "no postgresql" not in caplog.text:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    time.sleep(0.2)
    assert caplog.text.count("no postgresql") == 1, "it is tried again and again, and said once"
    assert "secret" not in caplog.text


def test_nobody_else_reaches_its_socket(process: Tracker) -> None:
    process.check("toy")
    (child,) = children()
    (address,) = {one.laddr for one in child.net_connections(kind="unix") if "hico-tracking" in str(one.laddr)}
    assert Path(address).parent.stat().st_mode & 0o077 == 0
    assert not [word for word in child.cmdline() if len(word) >= 64 and set(word) <= set("0123456789abcdef")]

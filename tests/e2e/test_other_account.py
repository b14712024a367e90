"""A second account of the machine attacks a running search and a running ``ui``: it gets nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ray_executor.session_folder import PREFIX
from tests.e2e import test_search as search
from tests.e2e.other_account import UID
from tests.e2e.test_signals import family

pytestmark = pytest.mark.e2e

ASSISTANT = "/ajax-api/3.0/mlflow/assistant"
ROUTES = [
    ("GET", "/", None),
    ("GET", "/health", None),
    ("GET", f"{ASSISTANT}/config", None),
    ("POST", f"{ASSISTANT}/message", {"message": "run id"}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x", "planted"),
    ("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 10}),
    ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}),
    ("POST", "/api/2.0/mlflow/experiments/create", {"name": "planted"}),
    ("GET", "/?token=guessed", None),
]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every account can enter, with one for temporary files in which all may write, as /tmp is."""
    if os.geteuid() != 0:
        pytest.skip("only root can become a second account")
    try:
        subprocess.run(["true"], user=UID, group=UID, extra_groups=[], check=True)
    except OSError as error:
        pytest.skip(f"there can be no second account here: {error}")
    folder = Path(tempfile.mkdtemp(prefix="h", dir="/tmp"))  # short, as Ray's sockets want it
    folder.chmod(0o755)
    (folder / "t").mkdir()
    (folder / "t").chmod(0o1777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_second_account_gets_nothing(shared: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(shared / "t"), "PYTHONUNBUFFERED": "1", "RAY_AUTH_MODE": "disabled"}
    options = {"trials": 40, "epoch_s": 1.0, "log": True}
    with contextlib.ExitStack() as stack:

        def started(*words: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=search.ROOT, env=environment, umask=0, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            stack.callback(search.kill_session, process)
            return process

        driver = started("tests.e2e.driver", str(shared / "home"), json.dumps(options))
        search.wait_for_lines(shared / "home" / "log", 2)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ui = started("hico_platform", "ui", "--home", str(shared / "home"), "--port", str(port))
        assert ui.stdout is not None
        found = re.search(r"token=([\w-]+)", ui.stdout.readline())
        assert found
        processes = [*family(driver.pid), *family(ui.pid)]
        secrets = {found[1], *tokens_of(processes)}
        assert len(secrets) >= 2, "the pages' and the cluster's"
        attack = {"folders": [str(shared)], "processes": processes, "ui": port, "routes": ROUTES}
        attacked = subprocess.run(
            [sys.executable, "-m", "tests.e2e.other_account", json.dumps(attack)],
            cwd=search.ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert attacked.returncode == 0, attacked.stderr
        came = json.loads(attacked.stdout.splitlines()[-1])
        assert [done for done in came["done"] if not is_of_everybody(done, shared)] == []
        assert any(PREFIX in path.name for path in (shared / "t").iterdir()), "Ray's session was there to be attacked"
        assert [secret for secret in secrets if secret in attacked.stdout + attacked.stderr] == []
        assert set(came["joined"].values()) == {"AuthenticationError"}, came["joined"]
        assert {status for *_, status in came["answers"]} == {403}, came["answers"]
        assert driver.poll() is None, "it ran all the while"
        for process in (ui, driver):
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=search.LIMIT_S)
            assert process.returncode == 130, output
    assert TrialState.FAILED not in {trial.state for trial in search.trials_of(shared / "home")}


def tokens_of(processes: list[int]) -> set[str]:
    """The cluster's tokens, as its owner can read them."""
    found: set[str] = set()
    for pid in processes:
        with contextlib.suppress(OSError):
            found |= set(re.findall(r"RAY_AUTH_TOKEN=(\w+)", Path(f"/proc/{pid}/environ").read_text(errors="replace")))
    return found


def is_of_everybody(done: str, shared: Path) -> bool:
    """What an account may do in a folder as /tmp is, outside of what it is to be kept from."""
    folder = shared / "t"
    return done in {f"list {folder}", f"read {folder}", f"create in {folder}", f"link in {folder}"} or any(
        done.endswith(f" {folder / name}") for name in ("planted", "link", "renamed")
    )

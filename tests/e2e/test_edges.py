"""Commands of a user who may not do all: a colleague's home that may only be read, folders that may not be written."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from hico_platform.home import mlflow_uri
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, sqlite_url
from hico_platform.search.lock import search_lock
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.toy import FACTS, toy_space

pytestmark = pytest.mark.e2e

SPACE = toy_space(trials=3)
SOMEBODY = 65534
# Root without the right to pass over rights: files of others are then to it what they are to anybody.
BOUNDED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--")


@functools.cache
def as_anybody() -> tuple[str, ...]:
    """What goes before a command so that rights hold for it."""
    if os.getuid() != 0:
        return ()
    if shutil.which("setpriv") is None or subprocess.run([*BOUNDED, "true"], check=False).returncode != 0:
        pytest.skip("root passes over rights here, and setpriv cannot take that from it")
    return BOUNDED


def command(*words: object, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*as_anybody(), sys.executable, "-m", "hico_platform", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )


def only_to_be_read(folder: Path) -> None:
    """Makes a folder somebody else's, who lets others read."""
    for path in (folder, *folder.rglob("*")):
        if os.getuid() == 0:
            os.chown(path, SOMEBODY, SOMEBODY)
            path.chmod(0o755 if path.is_dir() else 0o644)
        else:
            path.chmod(0o555 if path.is_dir() else 0o444)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(done: subprocess.CompletedProcess[str], code: int, words: Sequence[str]) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture
def ledger(tmp_path: Path) -> StudyLedger:
    storage = open_storage(sqlite_url(tmp_path / "home" / "study.db"))
    ledger = StudyLedger.create(storage, name="toy", space=SPACE, facts=FACTS, limit=3, at_s=0.0)
    ledger.begin(SPACE, at_s=0.0)
    return ledger


def close(ledger: StudyLedger) -> None:
    ledger.storage.remove_session()
    ledger.storage.engine.dispose()


def test_a_home_that_may_only_be_read_is_shown_and_left_as_it_is(ledger: StudyLedger, tmp_path: Path) -> None:
    home = tmp_path / "home"
    close(ledger)
    (home / "searches" / "toy").mkdir(parents=True)
    only_to_be_read(home)
    before = names(home)
    status = command("status", "--home", home)
    assert (status.returncode, status.stderr) == (0, "")
    assert "toy: interrupted, 0 of 3 trials ended, 1 interrupted" in status.stdout
    page = tmp_path / "page.html"
    report = command("report", "toy", "--json", "--out", page, "--home", home)
    assert json.loads(report.stdout)["name"] == "toy"
    assert page.exists()
    refused(
        command("report", "toy", "--home", home),
        2,
        ["a folder that this user may write, got 'a folder that may only be read'", "--out"],
    )
    space = "level_weights.yaml"
    refused(
        command("search", "--space", space, "--home", home),
        2,
        [f"{home}: expected a home in a folder that this user may write", "--home or HICO_HOME"],
    )
    refused(command("data", "synth", "--out", home / "set"), 2, [f"{home}: expected a folder that this user may write"])
    assert names(home) == before


def test_a_colleague_s_running_search_is_running(ledger: StudyLedger, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with search_lock(home / "searches" / "toy" / "lock", name="toy"):
        only_to_be_read(home)
        ledger.begin(SPACE, at_s=0.0)  # in the write-ahead log alone
        done = command("status", "--home", home)
    assert (done.returncode, done.stderr) == (0, "")
    assert "toy: running, 0 of 3 trials ended, 2 running" in done.stdout


def test_a_colleague_s_tracking_store_is_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    tracker = MlflowTracker(uri=mlflow_uri(home), artifacts=home / "mlartifacts")
    tracker.open_run(experiment="toy", key="k", name="n", parent=None, params={}, tags={}, at_s=0.0)
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in home.glob("mlflow.db-*"):
        file.unlink()
    only_to_be_read(home)
    before = names(home)
    looks = (
        "import sys; from hico_platform.sqlite_files import url_for_looking as look\n"
        "from hico_platform.tracking.mlflow_tracker import MlflowTracker\n"
        "print(*MlflowTracker(uri=look(sys.argv[1]), artifacts=None).experiments())"
    )
    done = subprocess.run(
        [*as_anybody(), sys.executable, "-c", looks, mlflow_uri(home)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["toy"], done.stderr
    assert names(home) == before


def test_a_reader_that_goes_and_a_full_disk_under_the_output() -> None:
    shell = f"{sys.executable} -m hico_platform schema | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hico_platform", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    refused(
        subprocess.CompletedProcess(done.args, done.returncode, "", done.stderr), 1, ["expected free space on the disk"]
    )

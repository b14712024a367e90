"""PostgreSQL as study database and as MLflow store: a real server, started for these tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest

from hico_platform.cli.explain import Scene, explain
from hico_platform.cli.main import main
from hico_platform.errors import UsageError
from hico_platform.home import HomePaths
from hico_platform.search.ledger import trial_rows
from hico_platform.search.ledger.base import TrialState
from hico_platform.search.ledger.driver_lock import driver_lock
from hico_platform.search.ledger.optuna_ledger import StudyLedger, open_storage, search_names
from hico_platform.search.status import search_status
from hico_platform.tracking.base import TrackingRefused
from hico_platform.tracking.mlflow_tracker import MlflowTracker
from tests.e2e import planted
from tests.e2e import test_search as search
from tests.toy import FACTS, run_toy_task, toy_space
from tests.unit.cli.test_search import controller_of
from tests.unit.search.ledger import test_trial_rows

pytestmark = pytest.mark.e2e


def postgres_tool(name: str) -> str:
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)
    if found is None:
        pytest.skip(f"no PostgreSQL server on this machine: {name} is not found")
    return found


@contextmanager
def postgres_server(*, prefix: Sequence[str] = (), host: str = "127.0.0.1") -> Iterator[str]:
    """The address of a server with the databases hico and mlflow; ``prefix`` runs it on another host."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install 'hico-platform[postgres]'")
    initdb, postgres = postgres_tool("initdb"), postgres_tool("postgres")
    folder = Path(tempfile.mkdtemp(prefix="hico-pg-"))
    as_user: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "nobody")
        as_user = [postgres_tool("setpriv"), "--reuid=nobody", "--clear-groups"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run(
        [*as_user, initdb, "-D", str(folder / "data"), "-U", "hico", "--auth=trust", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    with (folder / "data" / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.77.0.0/24 trust\n")
    process = subprocess.Popen(
        [
            *prefix, *as_user, postgres, "-D", str(folder / "data"), "-p", str(port), "-k", str(folder),
            "-c", f"listen_addresses={host}", "-c", "fsync=off",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )  # fmt: skip
    try:
        _create_databases(folder, port)
        yield f"postgresql+psycopg://hico@{host}:{port}"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server on the loopback address."""
    with postgres_server() as address:
        yield address


def _create_databases(folder: Path, port: int) -> None:
    """By the server's socket, which needs no network."""
    import psycopg

    place = f"host={folder} port={port} user=hico dbname=postgres"
    for _ in range(300):
        try:
            with psycopg.connect(place, autocommit=True) as connection:
                connection.execute("CREATE DATABASE hico TEMPLATE template0")
                connection.execute("CREATE DATABASE mlflow TEMPLATE template0")
                return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the PostgreSQL server did not start in 30 s")


def test_a_search_killed_and_resumed_that_shows_no_secret(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of those that it was given: keys and passwords in the environment and in addresses, variables of workers."""
    host = server.rpartition("@")[2]
    storage = f"postgresql+psycopg://hico:a%2F{planted.MARK}%40b@{host}/hico"
    tracking = f"postgresql+psycopg://{host}/mlflow?user=hico&password={planted.MARK}"
    home, env = tmp_path / "home", tmp_path / "env.yaml"
    env.write_text(f"env_vars: {{OF_THE_USER: {planted.MARK}}}\n")
    monkeypatch.setenv("HICO_STORAGE", storage)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    for name in planted.VARIABLES:
        monkeypatch.setenv(name, f"{planted.MARK}-{name.lower()}")
    options = {"trials": 4, "log": True, "runtime_env_file": str(env), "variable": "OF_THE_USER"}
    home.mkdir()
    with planted.arguments_watched() as in_arguments:
        driver = search.start(home, epoch_s=0.1, **options)
        search.wait_for_lines(home / "log", 8)
        sessions = _sessions(driver.pid)
        (raylet,) = [pid for pid, _ in sessions]
        token = planted.variable_of(raylet, "RAY_AUTH_TOKEN")
        assert planted.in_arguments(token) == []
        for _, session in sessions:
            assert (session / "logs" / "runtime_env_agent.log").exists()
            assert planted.in_files(session, token) == []
        driver.kill()
        output = driver.communicate()[0] + search.finish(search.start(home, resume=True, **options))
    assert in_arguments == []
    search.check_whole(home, trials=4, storage=storage, tracking=tracking)
    assert main(["status", "toy", "--home", str(home)]) == 0
    assert main(["report", "toy", "--home", str(home), "--out", str(home / "report.html")]) == 0
    shown = capsys.readouterr()
    assert planted.MARK not in output + shown.out + shown.err
    assert planted.in_files(home) == []
    assert planted.in_database(storage) == planted.in_database(tracking) == []
    assert not (home / "study.db").exists()
    assert not (home / "mlflow.db").exists()


def _sessions(driver: int) -> list[tuple[int, Path]]:
    """The raylet of a driver and Ray's folder."""
    listing = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], check=True, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    return [
        (int(pid), Path(word.partition("=")[2]).parents[1])
        for pid, parent, args in rows
        for word in args.split()
        if int(parent) == driver and word.startswith("--raylet_socket_name=")
    ]


def test_two_drivers_that_share_no_home(server: str) -> None:
    storage = open_storage(f"{server}/hico")
    StudyLedger.create(storage, name="shared", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)
    with driver_lock(storage, name="shared"):
        with (
            pytest.raises(UsageError, match="the driver on another machine that holds it"),
            driver_lock(open_storage(f"{server}/hico"), name="shared"),
        ):
            pass
        with driver_lock(open_storage(f"{server}/hico"), name="another"):
            pass
    with driver_lock(open_storage(f"{server}/hico"), name="shared"):
        pass


def test_searches_are_looked_after(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Listed, extended, renamed and deleted, by queries that each database has its own words for."""
    address = f"{server}/hico"
    storage, space = open_storage(address), toy_space(trials=2)
    ledger = StudyLedger.create(storage, name="kept", space=space, facts=FACTS, limit=2, at_s=5.0)
    folder = tmp_path / "searches" / "kept" / "trials"
    controller = controller_of(ledger, folder)
    while task := controller.next_task():
        run_toy_task(controller, task)
    stores = ["--storage", address, "--home", str(tmp_path)]
    assert main(["tag", "kept", "paper", *stores]) == 0
    assert main(["extend", "kept", "--trials", "3", *stores]) == 0
    assert [request.words for request in ledger.requests()] == ["extend by 3 trials"]
    assert main(["rename", "kept", "kept2", *stores]) == 0
    capsys.readouterr()
    assert main(["list", "--tag", "paper", "--json", *stores]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    best = search_status(HomePaths(home=tmp_path, storage=address), "kept2").best
    assert best is not None
    assert (one["name"], one["best"]["value"], one["best"]["trial"]) == ("kept2", best.value, best.number)
    assert main(["delete", "kept2", "--yes", *stores]) == 0
    assert "kept2" not in search_names(storage)
    assert not (tmp_path / "searches" / "kept2").exists()


def test_looking_makes_nothing_and_what_is_wrong_is_told_in_the_server_s_words(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(url: str) -> str:
        assert main(["status", "--home", str(tmp_path), "--storage", url]) == 2
        shown: str = capsys.readouterr().err
        return shown

    assert "got 'a database in which no search has begun'" in status(f"{server}/template1")
    assert 'database "none" does not exist' in status(f"{server}/none")
    unknown = status(server.replace("hico@", "nobody:s3cr3t@") + "/hico")
    assert 'role "nobody" does not exist' in unknown
    assert "s3cr3t" not in unknown


def test_missing_rights_are_refused_and_not_awaited(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import psycopg

    StudyLedger.create(open_storage(f"{server}/hico"), name="r", space=toy_space(), facts=FACTS, limit=3, at_s=0.0)
    tracker = MlflowTracker(uri=f"{server}/mlflow", artifacts=tmp_path)
    run_id = tracker.open_run(experiment="r", key="r", name="r", parent=None, params={}, tags={}, at_s=1.0)
    address = server.replace("+psycopg", "")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        for statement in (
            "CREATE ROLE reader LOGIN",
            "CREATE DATABASE closed TEMPLATE template0",  # unlike template1, nobody is connected to it
            "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
        ):
            connection.execute(statement)
    for name in ("hico", "mlflow"):
        with psycopg.connect(f"{address}/{name}", autocommit=True) as connection:
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reader = server.replace("hico@", "reader@")
    with pytest.raises(TrackingRefused, match="permission denied for table tags"):
        MlflowTracker(uri=f"{reader}/mlflow", artifacts=tmp_path).set_tags(run_id, {"a": "b"})
    with pytest.raises(TrackingRefused, match='permission denied for database "closed"'):
        MlflowTracker(uri=f"{reader}/closed", artifacts=tmp_path).check("r")
    home = ["--home", str(tmp_path / "home")]
    assert main(["status", "r", *home, "--storage", f"{reader}/hico"]) == 0  # to look takes no more
    assert main(["status", "r", *home, "--storage", f"{reader}/closed"]) == 2
    assert "a study database that this account may use, got " in capsys.readouterr().err
    ledger = StudyLedger.open(open_storage(f"{reader}/hico"), name="r")
    with pytest.raises(Exception, match="An exception is raised during the commit") as raised:  # Optuna's words
        ledger.set_note("a", 1)
    found = explain(raised.value, Scene(study=reader))
    assert found.exit_code == 2
    assert found.problems[0].rule == "a database in which this account may do what the command does"
    assert found.problems[0].value == "permission denied for table study_user_attributes"


def test_the_rows_of_trials_are_as_optuna_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_server() as address:
        ours = test_trial_rows.search(address, name="ours")
        monkeypatch.setattr(trial_rows, "has_known_schema", lambda connection: False)
        optunas = test_trial_rows.search(address, name="optunas")
        monkeypatch.undo()
        trials = [optuna.load_study(study_name=name, storage=address).trials for name in ("ours", "optunas")]
        for one, other in zip(*trials, strict=True):
            for name in ("number", "state", "values", "params", "distributions", "user_attrs", "intermediate_values"):
                assert getattr(one, name) == getattr(other, name)
            assert one.datetime_start is not None
            assert (one.datetime_complete is None) == (other.datetime_complete is None)
        assert test_trial_rows.statements(ours) == (6, 2, 3), "a lock besides"
        assert optunas.trials()[4].state is TrialState.RUNNING

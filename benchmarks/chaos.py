"""A search on three hosts to which everything happens at random, and a check that nothing is lost or doubled.

    python benchmarks/chaos.py --minutes 30          # root, iproute2, PostgreSQL
    python benchmarks/chaos.py --minutes 10 --seed 3 --only worker partition database

Hosts are network namespaces of this machine with a Ray node each. The first has the driver, PostgreSQL with the study
and with MLflow's store, and MLflow's server; the others come and go. Every few seconds one of these happens:

    worker     SIGKILL of a worker at work
    freeze     SIGSTOP of a worker for up to a minute, as on a disk that hangs
    partition  the cable of a host is pulled for up to 40 s
    host       SIGKILL of everything on a host; Ray starts there again later
    tracking   SIGKILL of MLflow's server, which is away for up to 20 s
    database   PostgreSQL ends at once, as in a crash, and is away for up to 10 s
    slow       PostgreSQL stands still for up to 10 s, as on a disk that is busy
    writer     SIGKILL of the driver's process that writes to MLflow
    driver     SIGKILL of the driver

A driver that has ended goes on by a resume; a search that is done is extended. When the time is up the search comes
to its end in peace. Then the ledger, Optuna's own view, checkpoints, the trials' own log and MLflow's runs have to
agree.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hico_platform.search.ledger.base import TrialState
from hico_platform.tracking.mlflow_client import ENVIRONMENT
from tests.e2e import test_search as checks
from tests.e2e.test_cluster import PORT, Hosts, _ip
from tests.e2e.test_postgres import _create_databases, postgres_tool

TRIALS = 12
"""Trials by which a search that is done is extended."""
EPOCHS, EPOCH_S = 9, 0.5
DATABASE_PORT, TRACKING_PORT = 5432, 5000
START_S = 180


class Database:
    """PostgreSQL on a host, which can be ended and started again."""

    def __init__(self, hosts: Hosts, host: str) -> None:
        self._hosts, self._host = hosts, host
        self._folder = Path(tempfile.mkdtemp(prefix="hico-chaos-pg-"))
        shutil.chown(self._folder, "nobody")
        self._as_user = [postgres_tool("setpriv"), "--reuid=nobody", "--clear-groups"]
        initdb = [postgres_tool("initdb"), "-D", str(self._folder / "data"), "-U", "hico", "--auth=trust", "--no-sync"]
        subprocess.run([*self._as_user, *initdb], check=True, capture_output=True, cwd=self._folder)
        with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.77.0.0/24 trust\n")
        self.address = f"postgresql+psycopg://hico@{hosts.address(host)}:{DATABASE_PORT}"
        self.start()
        _create_databases(self._folder, DATABASE_PORT)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *self._hosts.command(self._host), *self._as_user, postgres_tool("postgres"),
                "-D", str(self._folder / "data"), "-p", str(DATABASE_PORT), "-k", str(self._folder),
                "-c", f"listen_addresses={self._hosts.address(self._host)}",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._folder,
        )  # fmt: skip

    def crash(self) -> None:
        self.process.send_signal(signal.SIGQUIT)  # no checkpoint: it recovers from its log
        self.process.wait()

    def stand_still(self, seconds: float) -> None:
        family = [self.process.pid, *children(self.process.pid)]
        for pid in family:
            signal_to(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in family:
            signal_to(pid, signal.SIGCONT)

    def close(self) -> None:
        self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)


class Tracking:
    """MLflow's server on a host, which can be ended and started again."""

    def __init__(self, hosts: Hosts, host: str, store: str, folder: Path) -> None:
        self._command = [
            *hosts.command(host), sys.executable, "-m", "mlflow", "server", "--host", hosts.address(host),
            "--port", str(TRACKING_PORT), "--backend-store-uri", store, "--allowed-hosts", "*",
            "--artifacts-destination", str(folder / "artifacts"), "--workers", "1",
        ]  # fmt: skip
        self._log = folder / "tracking.log"
        self.uri = f"http://{hosts.address(host)}:{TRACKING_PORT}"
        self._probe = [
            *hosts.command(host), sys.executable, "-S", "-c",
            f"import urllib.request; urllib.request.urlopen('{self.uri}/health', timeout=5)",
        ]  # fmt: skip
        self.start()
        self.wait()

    def wait(self) -> None:
        """Until the server answers."""
        deadline_s = time.monotonic() + START_S
        while subprocess.run(self._probe, capture_output=True, check=False).returncode:
            if time.monotonic() > deadline_s:
                raise SystemExit(f"MLflow's server did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.5)

    def start(self) -> None:
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **ENVIRONMENT}
            )

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Chaos:
    """The search and what happens to it."""

    def __init__(self, hosts: Hosts, home: Path, *, seed: int) -> None:
        self.hosts, self.home, self.draw = hosts, home, random.Random(seed)
        self.head, *self.others = [hosts.add() for _ in range(3)]
        self.database = Database(hosts, self.head)
        self.tracking = Tracking(hosts, self.head, f"{self.database.address}/mlflow", home)
        for host in (self.head, *self.others):
            self.start_ray(host)
        self.limit, self.drivers = TRIALS, 0
        self.driver = self.started()
        self.exits: collections.Counter[str] = collections.Counter()

    def start_ray(self, host: str) -> None:
        """Starts Ray on a host, which takes several tries on a busy machine."""
        for left in reversed(range(3)):
            try:
                return self.hosts.start_ray(host, cpus=1)
            except (AssertionError, subprocess.TimeoutExpired):
                if not left:
                    raise

    def options(self) -> dict[str, object]:
        return {
            "trials": self.limit,
            "resume": self.drivers > 0,
            "epoch_s": EPOCH_S,
            "log": True,
            "storage": f"{self.database.address}/hico",
            "tracking": self.tracking.uri,
            "address": f"{self.hosts.address(self.head)}:{PORT}",
            "space": {
                "base": {"model": {"hidden_width": 16}, "budget": {"epochs": EPOCHS}},
                "resources": {"cpus": 1, "retries": 100, "max_failures": 0, "silence_minutes": 0.5},
                "scheduler": {"name": "none", "report_every": 1},
                "sampler": {"name": "random"},
            },
        }

    def started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.e2e.driver", str(self.home), json.dumps(self.options())]
        self.drivers += 1
        with (self.home / "driver.log").open("a") as log:
            log.write(f"--- driver {self.drivers}, limit {self.limit}\n")
            log.flush()
            return subprocess.Popen(
                self.hosts.command(self.head, *command),
                cwd=checks.ROOT, env=self.hosts.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def workers(self) -> list[int]:
        """The processes that have trained last."""
        log = self.home / "log"
        lines = log.read_text().splitlines()[-6:] if log.exists() else []
        return [pid for pid in {int(line.split()[-1]) for line in lines} if Path(f"/proc/{pid}").exists()]

    def look_after(self) -> None:
        """Starts what has ended: the driver, and Ray on hosts that have lost it."""
        code = self.driver.poll()
        if code is not None:
            self.exits[f"exit {code}"] += 1
            self.limit += TRIALS if code == 0 else 0
            self.driver = self.started()
        for host in self.others:
            if not _ip("netns", "pids", host).split():
                with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                    self.hosts.start_ray(host, cpus=1)
            elif not any("raylet" in command_of(pid) for pid in _ip("netns", "pids", host).split()):
                for pid in _ip("netns", "pids", host).split():
                    signal_to(int(pid), signal.SIGKILL)

    def worker(self) -> None:
        for pid in self.workers()[:1]:
            signal_to(pid, signal.SIGKILL)

    def freeze(self) -> None:
        for pid in self.workers()[:1]:
            signal_to(pid, signal.SIGSTOP)
            time.sleep(self.draw.uniform(5, 60))
            signal_to(pid, signal.SIGCONT)

    def partition(self) -> None:
        host = self.draw.choice(self.others)
        _ip("-n", host, "link", "set", "eth0", "down")
        time.sleep(self.draw.uniform(3, 40))
        _ip("-n", host, "link", "set", "eth0", "up")

    def host(self) -> None:
        for pid in _ip("netns", "pids", self.draw.choice(self.others)).split():
            signal_to(int(pid), signal.SIGKILL)

    def tracking_away(self) -> None:
        self.tracking.kill()
        time.sleep(self.draw.uniform(0, 20))
        self.tracking.start()

    def database_away(self) -> None:
        self.database.crash()
        time.sleep(self.draw.uniform(0, 10))
        self.database.start()

    def slow(self) -> None:
        self.database.stand_still(self.draw.uniform(1, 10))

    def writer(self) -> None:
        for pid in children(self.driver.pid):
            if "tracker_server" in command_of(str(pid)):
                signal_to(pid, signal.SIGKILL)

    def kill_driver(self) -> None:
        for pid in [self.driver.pid, *children(self.driver.pid)]:
            signal_to(pid, signal.SIGKILL)
        self.driver.wait()

    def finish(self) -> str:
        """Lets the search come to its end; why it did not, else nothing.

        A driver waits for half a minute for a tracking store that is away, so one more writes what is missing then.
        """
        deadline_s, in_peace = time.monotonic() + 900, False
        while time.monotonic() < deadline_s:
            code = self.driver.poll()
            if code == 0 and in_peace:
                return ""
            if code == 0:
                self.tracking.wait()
                self.driver, in_peace = self.started(), True
            elif code is not None:
                self.exits[f"exit {code}"] += 1
                self.driver = self.started()
            self.look_after_hosts()
            time.sleep(1)
        return "the search did not end in 900 s"

    def look_after_hosts(self) -> None:
        """Ray on hosts that have lost it."""
        for host in self.others:
            if not _ip("netns", "pids", host).split():
                with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                    self.hosts.start_ray(host, cpus=1)


def children(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-eo", "pid,ppid"], check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()[1:]]
    family = {pid}
    while grown := {one for one, parent in rows if parent in family} - family:
        family |= grown
    return sorted(family - {pid})


def signal_to(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def command_of(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def check(home: Path, storage: str, tracking: str) -> None:
    """The ledger, Optuna's view, checkpoints, the trials' own log and MLflow's runs agree; raises AssertionError."""
    trials = checks.trials_of(home, storage)
    checks.check_whole(home, trials=len(trials), storage=storage, tracking=tracking)
    lines = (home / "log").read_text().splitlines()
    again = 0
    for trial in trials:
        assert trial.state is TrialState.COMPLETE, f"trial {trial.number} is {trial.state}: {trial.ending}"
        assert list(trial.curve) == list(range(1, EPOCHS + 1)), f"trial {trial.number} has reports {trial.curve}"
        epochs = checks.epochs_trained(lines, trial.number)
        assert set(epochs) == set(range(1, EPOCHS + 1)), f"trial {trial.number} trained {epochs}"
        again += len(epochs) - len(set(epochs))
        states = list((home / "searches" / "toy").glob(f"trials*/{trial.number:04d}/state.json"))
        assert [json.loads(state.read_text())[0] for state in states] == [EPOCHS], f"checkpoints {states}"
    print(
        f"{len(trials)} trials complete, each with one run, {EPOCHS} reports and every metric once; "
        f"{again} of {len(trials) * EPOCHS + again} epochs trained again"
    )


FAULTS = {
    "worker": Chaos.worker,
    "freeze": Chaos.freeze,
    "partition": Chaos.partition,
    "host": Chaos.host,
    "tracking": Chaos.tracking_away,
    "database": Chaos.database_away,
    "slow": Chaos.slow,
    "writer": Chaos.writer,
    "driver": Chaos.kill_driver,
}


def main() -> int:
    """Runs the search; exit code 1 if something was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two faults, on average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--check", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check:
        home, storage, tracking = arguments.check
        check(Path(home), storage, tracking)
        return 0
    home, folder = Path(tempfile.mkdtemp(prefix="hico-chaos-")), Path(tempfile.mkdtemp(prefix="hico-net-"))
    hosts, chaos = Hosts(folder), None
    happened: collections.Counter[str] = collections.Counter()
    try:
        chaos = Chaos(hosts, home, seed=arguments.seed)
        ends_s = time.monotonic() + 60 * arguments.minutes
        while time.monotonic() < ends_s:
            time.sleep(chaos.draw.uniform(0, 2 * arguments.every))
            chaos.look_after()
            name = chaos.draw.choice(arguments.only)
            print(f"{(ends_s - time.monotonic()) / 60:5.1f} min left: {name}", flush=True)
            FAULTS[name](chaos)
            happened[name] += 1
        problem = chaos.finish()  # goes on until what has begun has ended
        words = [sys.executable, __file__, "--check", str(home), str(chaos.options()["storage"]), chaos.tracking.uri]
        done = subprocess.run(hosts.command(chaos.head, *words), cwd=checks.ROOT, check=False, env=hosts.environment)
        print(json.dumps({"faults": happened, "drivers": chaos.drivers, "their ends": chaos.exits, "problem": problem}))
        failed = bool(done.returncode or problem)
    except BaseException:
        print(f"kept: {home}", flush=True)
        raise
    finally:
        if chaos is not None:
            chaos.tracking.kill()
            with contextlib.suppress(Exception):
                chaos.database.close()
        hosts.close()
        shutil.rmtree(folder, ignore_errors=True)
    if failed:
        print(f"kept: {home}")
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

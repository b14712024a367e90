"""Three hosts in network namespaces of one machine: one is killed in the middle of a search, one joins later."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import planted
from tests.e2e import test_search as search
from tests.e2e.test_postgres import postgres_server
from tests.modes import open_to

pytestmark = pytest.mark.e2e

TRIALS = 6
PORT = 6379


class Hosts:
    """Network namespaces on one switch, each a host with an address of its own."""

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        self.folder = folder
        self.switch = f"hicosw{os.getpid()}"
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        _ip("netns", "add", self.switch)
        _ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", self.switch, "link", "set", "br0", "up")

    def add(self) -> str:
        index = len(self.names) + 1
        name = f"hico{os.getpid()}h{index}"
        _ip("netns", "add", name)
        self.names.append(name)
        _ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", f"p{index}", "netns", self.switch)
        _ip("-n", self.switch, "link", "set", f"p{index}", "master", "br0", "up")
        _ip("-n", name, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        return name

    def address(self, name: str) -> str:
        return f"10.77.0.{self.names.index(name) + 1}"

    def command(self, name: str, *words: str) -> list[str]:
        return ["ip", "netns", "exec", name, *words]

    def start_ray(self, name: str, *, cpus: int) -> None:
        first = self.names[0]
        where = (
            ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
            if name == first
            else [f"--address={self.address(first)}:{PORT}"]
        )
        done = subprocess.run(
            self.command(
                name, sys.executable, "-m", "ray.scripts.scripts", "start", *where,
                f"--node-ip-address={self.address(name)}", f"--num-cpus={cpus}", "--num-gpus=0",
                "--object-store-memory=100000000", "--disable-usage-stats",
            ),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            umask=0,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def kill(self, name: str) -> None:
        """The host goes away: every process on it, at once, and its cable."""
        _ip("-n", name, "link", "set", "eth0", "down")
        for pid in _ip("netns", "pids", name).split():
            os.kill(int(pid), signal.SIGKILL)

    def close(self) -> None:
        for name in self.names:
            for pid in _ip("netns", "pids", name).split():
                os.kill(int(pid), signal.SIGKILL)
        for name in (*self.names, self.switch):
            _ip("netns", "del", name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    folder = Path(tempfile.mkdtemp(prefix="hico-net-"))
    try:
        hosts = Hosts(folder)
    except RuntimeError as error:
        pytest.skip(f"network namespaces cannot be made here: {error}")
    yield hosts
    hosts.close()
    shutil.rmtree(folder, ignore_errors=True)


def hosts_of(log: Path, number: int) -> set[str]:
    """Process ids that worked on a trial."""
    return {line.split()[-1] for line in log.read_text().splitlines() if line.startswith(f"{number} ")}


def in_the_middle(log: Path, processes: set[str]) -> int | None:
    """A trial that one of these processes is at, with some epochs done and more to do."""
    lines = log.read_text().splitlines() if log.exists() else []
    last = {line.split()[-1]: line for line in lines if line.split()[-1] in processes}
    for line in last.values():
        number, what, *rest = line.split()
        if what == "epoch" and 1 <= int(rest[0]) <= 3:
            return int(number)
    return None


def test_a_host_dies_and_another_joins(hosts: Hosts, tmp_path: Path) -> None:
    head, second, third = hosts.add(), hosts.add(), hosts.add()
    with postgres_server(prefix=hosts.command(head), host=hosts.address(head)) as server:
        hosts.start_ray(head, cpus=1)
        hosts.start_ray(second, cpus=1)
        options = {
            "trials": TRIALS,
            "epoch_s": 0.4,
            "log": True,
            "storage": f"{server}/hico",
            "tracking": f"{server}/mlflow",
            "address": f"{hosts.address(head)}:{PORT}",
            # A machine that goes away is nobody's failure, and workers get the environment that was asked for.
            "space": {
                "resources": {"cpus": 1, "retries": 0, "max_failures": 0},
                "scheduler": {"name": "none", "report_every": 1},
            },
            "runtime_env_file": str(tmp_path / "env.yaml"),
            "variable": "HICO_OF_THE_CLUSTER",
        }
        (tmp_path / "env.yaml").write_text(f"env_vars: {{HICO_OF_THE_CLUSTER: {planted.MARK}}}\n")
        (tmp_path / "env.yaml").chmod(0o600)
        driver = subprocess.Popen(
            hosts.command(head, sys.executable, "-m", "tests.e2e.driver", str(tmp_path), json.dumps(options)),
            cwd=search.ROOT,
            env=hosts.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log = tmp_path / "log"
        at_work: int | None = None
        deadline = time.monotonic() + search.LIMIT_S
        while at_work is None and time.monotonic() < deadline and driver.poll() is None:
            time.sleep(0.1)
            at_work = in_the_middle(log, set(_ip("netns", "pids", second).split()))
        assert at_work is not None, "the second host worked" if driver.poll() is None else driver.communicate()[0]
        hosts.kill(second)
        hosts.start_ray(third, cpus=1)
        output, _ = driver.communicate(timeout=3 * search.LIMIT_S)
        assert driver.returncode == 0, output
        assert list(hosts.folder.rglob("runtime_env_agent.log")), "Ray's logs of all hosts lie there"
        assert planted.in_files(hosts.folder) == []
        check = [
            sys.executable, "-c",
            "import sys, pathlib; from tests.e2e import test_search as s;"
            "home, trials, storage, tracking = sys.argv[1:];"
            "s.check_whole(pathlib.Path(home), trials=int(trials), storage=storage, tracking=tracking)",
            str(tmp_path), str(TRIALS), options["storage"], options["tracking"],
        ]  # fmt: skip
        checked = subprocess.run(
            hosts.command(head, *check), cwd=search.ROOT, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
    assert open_to(0o077, tmp_path) == set(), "whatever the umask of the cluster's processes"
    lines = log.read_text().splitlines()
    assert len(hosts_of(log, at_work)) >= 2, "the trial that was cut off went on elsewhere"
    assert f"trial {at_work} is handed out again: its machine went away" in output
    epochs = search.epochs_trained(lines, at_work)
    assert len(epochs) - len(set(epochs)) <= 1, "from its last checkpoint"

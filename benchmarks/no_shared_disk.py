"""A search and its retraining on machines that share no disk, only a store; one of them is killed while it trains.

    python benchmarks/no_shared_disk.py          # root, iproute2, util-linux, moto

Hosts are network namespaces of this machine, each with a mount namespace in which ``/tmp`` is a disk of its own: home,
cache, staging and Ray's files lie there. Data and checkpoints are in an S3 server. The first host has the driver. The
second is killed in the middle of a trial, which has to go on elsewhere from its last checkpoint in the store; a third
joins for the retraining, whose results have to come to the driver's home. It prints what it saw, and stops where
something is not as it should be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e.test_cluster import PORT, Hosts

S3_PORT, LIMIT_S = 5000, 1800
HOME = "/tmp/home/hico"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
"""Of compiled kernels alone: each machine would compile the same."""

SMALL = (
    "base.model.hidden_width=16", "base.views.frames=16", "base.budget.epochs=12", "base.budget.batch_size=8",
    "base.contrast.queue_size=32", "base.evaluation.linear_epochs=5", "base.budget.threads=1",
    "scheduler={name: none, report_every: 1}", "resources={cpus: 1, gpus: 0, max_failures: 0, retries: 0}",
)  # fmt: skip

SERVE = """
import sys, threading, boto3, pathlib
from moto.server import ThreadedMotoServer
address, port, store = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
server = ThreadedMotoServer(ip_address=address, port=port, verbose=False)
server.start()
client = boto3.client("s3", endpoint_url=f"http://{address}:{port}", region_name="us-east-1")
client.create_bucket(Bucket="hico")
for file in store.iterdir():
    client.upload_file(str(file), "hico", f"tiny/{file.name}")
print("ready", flush=True)
threading.Event().wait()
"""


class SeparateHosts(Hosts):
    """Hosts of which each has a disk of its own under ``/tmp``, and nothing below it in common with another."""

    def __init__(self, folder: Path, disks: Path) -> None:
        super().__init__(folder)
        self.disks = disks
        self.environment |= {
            "HOME": "/tmp/home", "HICO_HOME": HOME, "XDG_CACHE_HOME": str(CACHE), "TMPDIR": "/tmp",
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "HICO_COMMIT": "tested",
        }  # fmt: skip

    def add(self) -> str:
        name = super().add()
        self.disk(name).mkdir(mode=0o700)
        (self.disk(name) / "home").mkdir()
        return name

    def disk(self, name: str) -> Path:
        """What the host has under ``/tmp``."""
        return self.disks / name

    def command(self, name: str, *words: str) -> list[str]:
        own = f'mount --make-rprivate / && mount --bind {self.disk(name)} /tmp && exec "$@"'
        return ["ip", "netns", "exec", name, "unshare", "--mount", "sh", "-c", own, "sh", *words]

    def run(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the package on a host."""
        return subprocess.run(
            self.command(name, sys.executable, "-m", "hico_platform", *words),
            env=self.environment, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd="/",
        )  # fmt: skip


def staged(disk: Path) -> dict[str, int]:
    """The trials in a host's staging folder, with the epoch of the newest checkpoint there that is in the store."""
    found = {}
    for file in disk.glob("hico-platform-0/checkpoints-*/*/uploaded"):
        epoch = re.search(r"epoch-(\d+)", file.read_text())
        if epoch is not None:
            found[file.parent.name] = int(epoch[1])
    return found


def check(whether: object, what: object) -> None:
    """Stops with what was found where it is not as it should be."""
    if not whether:
        raise SystemExit(f"not as it should be: {what}")


def search_and_retrain(hosts: SeparateHosts, tmp_path: Path) -> None:
    """The whole story; stops at the first thing that is not as it should be."""
    data = tmp_path / "tiny"
    made = [sys.executable, "-m", "hico_platform", "data", "synth", "--preset", "tiny", "--out", str(data)]
    subprocess.run(made, check=True, capture_output=True)
    head, second = hosts.add(), hosts.add()
    at = f"{hosts.address(head)}:{S3_PORT}"
    query = f"?endpoint_override={at}&scheme=http&region=us-east-1"
    shutil.copytree(data, hosts.disk(head) / "tiny")
    log = tmp_path / "requests.log"
    with log.open("w") as requests:
        server = subprocess.Popen(
            hosts.command(head, sys.executable, "-c", SERVE, hosts.address(head), str(S3_PORT), "/tmp/tiny"),
            env=hosts.environment, stdout=subprocess.PIPE, stderr=requests, text=True,
        )  # fmt: skip
    check(server.stdout and server.stdout.readline() == "ready\n", log.read_text())
    hosts.start_ray(head, cpus=1)
    hosts.start_ray(second, cpus=1)
    settings = [word for value in SMALL for word in ("--set", value)]
    cluster = ["--address", f"{hosts.address(head)}:{PORT}"]
    driver = subprocess.Popen(
        hosts.command(
            head, sys.executable, "-m", "hico_platform", "search", "--space", "level_weights.yaml", "--name", "apart",
            "--data", f"s3://hico/tiny{query}", "--protocol", "odd-subjects", "--trials", "3", *settings, *cluster,
            "--checkpoints", f"s3://hico/kept{query}",
        ),
        env=hosts.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/",
    )  # fmt: skip
    at_work: dict[str, int] = {}
    end_s = time.monotonic() + LIMIT_S
    while not any(2 <= epoch <= 9 for epoch in at_work.values()):
        check(driver.poll() is None, driver.poll() is None or driver.communicate()[0])
        check(time.monotonic() < end_s, "the second host did not train")
        time.sleep(0.05)
        at_work = staged(hosts.disk(second))
    ((trial, epoch),) = at_work.items()
    hosts.kill(second)
    killed_at = len(log.read_text().splitlines())
    output, _ = driver.communicate(timeout=LIMIT_S)
    check(driver.returncode == 0, output)
    check(f"trial {int(trial)} is handed out again: its machine went away" in output, output)
    check("failed on" not in output, output)
    after = "\n".join(log.read_text().splitlines()[killed_at:])
    fetched = re.findall(rf"GET /hico/kept/apart-[0-9a-f]+/{trial}/epoch-(\d+)/state.json", after)
    check(fetched and int(fetched[0]) >= epoch, f"killed after epoch {epoch}, fetched {fetched}")
    say(f"trial {int(trial)}: its host was killed after epoch {epoch}; another one fetched epoch {int(fetched[0])}")
    shown = json.loads(hosts.run(head, "show", "apart", "--json").stdout)
    check([one["state"] for one in shown["trials"]] == ["complete"] * 3, shown)
    check(
        not list(hosts.disk(head).glob("home/hico/searches/apart/trials-*/0*/epoch-*")),
        "all checkpoints are in the store",
    )
    (listed,) = json.loads(hosts.run(head, "list", "--json").stdout)
    check(listed["stored_bytes"] > 10_000, listed)
    say(f"3 trials complete, {listed['stored_bytes'] / 2**20:.1f} MiB in the store, none at home")

    retrain(hosts, head, cluster)


def retrain(hosts: SeparateHosts, head: str, cluster: list[str]) -> None:
    """A retraining, in which another host takes part."""
    third = hosts.add()
    hosts.start_ray(third, cpus=1)
    done = hosts.run(head, "retrain", "apart", "--seeds", "1", "--epochs", "3", *cluster, "--json")
    check(done.returncode == 0, done.stdout + done.stderr)
    plain = json.loads(done.stdout)
    check(str(plain["champion"]["checkpoint"]).startswith(HOME), plain["champion"])
    check(plain["champion"]["version"] is not None and plain["figures_missing"] is None, plain)
    results = list(hosts.disk(head).glob("home/hico/searches/apart/final/*/*/result.json"))
    scores = list(hosts.disk(head).glob("home/hico/searches/apart/final/*/*/scores.npz"))
    check(len(results) == len(scores) >= 3, (results, scores))
    worked = bool(list(hosts.disk(third).glob("hico-platform-0/checkpoints-*")))
    say(f"retrained: {len(results)} results with scores in the driver's home; a third host took part: {worked}")


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Runs it on hosts that are removed afterwards."""
    if os.getuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        raise SystemExit("namespaces need root, iproute2 and util-linux")
    with tempfile.TemporaryDirectory(prefix="hico-disks-", dir="/var/tmp") as folder:
        disks = Path(folder) / "disks"
        disks.mkdir(mode=0o700)
        hosts = SeparateHosts(Path("/tmp/ray"), disks)
        try:
            search_and_retrain(hosts, Path(folder))
        finally:
            hosts.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

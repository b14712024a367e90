"""Slurm on this machine, from Debian's packages: one node, or several hosts in network namespaces; in an own folder."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hico_platform.cpus import available_cpus

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol")
_START_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Node:
    """A host of the cluster.

    Attributes:
        name: its host name.
        address: where it listens.
        prefix: the words before a command that runs on it.
    """

    name: str
    address: str
    prefix: tuple[str, ...] = ()


def why_not() -> str | None:
    """What is missing for a Slurm of one's own; None where nothing is."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None and shutil.which(f"/usr/sbin/{name}") is None]
    if missing:
        return f"Slurm is not installed ({', '.join(missing)}): apt-get install slurm-wlm munge"
    return None if os.getuid() == 0 else "a Slurm of one's own needs root"


class Slurm:
    """A running Slurm; the first of its nodes has the controller.

    Args:
        folder: for all that it writes; a short path.
        nodes: its hosts; by default this machine.
        settings: more lines of slurm.conf.
    """

    def __init__(self, folder: Path, *, nodes: Sequence[Node] = (), settings: str = "") -> None:
        self.folder = folder
        self.nodes = nodes or (Node(name=socket.gethostname().split(".")[0], address="127.0.0.1"),)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
        for name in ("state", "spool", "logs"):
            (folder / name).mkdir()
        _write_munge_key(folder / "munge.key")
        (folder / "slurm.conf").write_text(self._configuration(settings))

    def __enter__(self) -> Slurm:
        folder = self.folder
        self._start(
            "munged", "--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={folder}/munge.key",
            f"--pid-file={folder}/munge.pid", f"--log-file={folder}/logs/munge", f"--seed-file={folder}/munge.seed",
        )  # fmt: skip
        self._until((folder / "munge.socket").exists, "munged")
        self._start(*_on(self.nodes[0], "slurmctld -D -i"))
        for node in self.nodes:
            self._start(*_on(node, "slurmd -D"))
        self._until(lambda: self.idle() == len(self.nodes), "its nodes")
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self._processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()

    def run(self, *words: str, check: bool = True, environment: dict[str, str] | None = None) -> str:
        """What a command says on the first node."""
        done = subprocess.run(
            [*self.nodes[0].prefix, *words],
            env=self.environment | (environment or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def job(self, number: int) -> dict[str, str]:
        """What scontrol says of a job."""
        shown = self.run("scontrol", "show", "job", "--oneliner", str(number), check=False)
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    def idle(self) -> int:
        """How many nodes have no job, nor one whose end they are still cleaning up."""
        return self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split().count("idle")

    def _start(self, *words: str) -> None:
        log = (self.folder / "logs" / f"{len(self._processes)}.out").open("wb")
        self._processes.append(subprocess.Popen(words, env=self.environment, stdout=log, stderr=log))

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + _START_S
        while not holds():
            logs = "".join(file.read_text(errors="replace")[-1500:] for file in (self.folder / "logs").iterdir())
            assert time.monotonic() < end_s, f"Slurm does not start: {what}\n{logs}"
            time.sleep(0.2)

    def _configuration(self, settings: str) -> str:
        folder, ports = self.folder, _free_ports(2)
        named = "\n".join(
            f"NodeName={node.name} NodeAddr={node.address} CPUs={available_cpus()} RealMemory=4000 State=UNKNOWN"
            for node in self.nodes
        )
        return f"""ClusterName=hico
SlurmctldHost={self.nodes[0].name}({self.nodes[0].address})
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/logs/slurmctld
SlurmdLogFile={folder}/logs/slurmd-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
JobRequeue=1
SlurmdTimeout=30
{settings}
{named}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def _on(node: Node, command: str) -> list[str]:
    """The words that run a command on a node, under its name."""
    if not node.prefix:
        return command.split()
    return [*node.prefix, "unshare", "--uts", "sh", "-c", f"hostname {node.name} && exec {command}"]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _write_munge_key(file: Path) -> None:
    file.touch(mode=0o600)
    file.write_bytes(secrets.token_bytes(64))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports

"""The services of docker/compose.yaml started from installed packages on loopback: its commands, its environment, its
secrets as files, with other folders and ports. What an engine would add (limits, namespaces, networks) is not here."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.test_postgres import postgres_tool

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
START_S = 120
PROGRAMS = {
    "ray": "-m ray.scripts.scripts",
    "mlflow": "-m mlflow",
    "optuna": "-c 'from optuna.cli import main; main()'",
    "hico-platform": "-c 'import sys; from hico_platform.cli.main import main; sys.exit(main())'",
    "python": "",
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Stack:
    """Services by their names in the compose file; ``artifacts`` may be an address of S3, reached at ``endpoint``."""

    def __init__(
        self, folder: Path, *, artifacts: str | None = None, endpoint: str = "", commit: str = "0" * 12
    ) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self.ports = {name: free_port() for name in ("postgres", "mlflow", "ray")}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.services: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
        if artifacts is not None:
            more = yaml.safe_load((DOCKER / "compose.s3.yaml").read_text())["services"]["mlflow"]
            mlflow = self.services["mlflow"]
            mlflow["command"] = more["command"]
            mlflow["environment"] = {**mlflow["environment"], **more["environment"]}
        self.variables = {
            "HICO_COMMIT": commit,
            "HICO_WORKER_CPUS": "2",
            "HICO_ARTIFACTS": artifacts or "",
            "HICO_S3_ENDPOINT": endpoint,
        }
        for name in ("hico", "artifacts", "backups", "programs", "tmp"):
            (folder / name).mkdir()
        for name, how in PROGRAMS.items():
            program = folder / "programs" / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {how} "$@"\n')
            program.chmod(0o755)
        self.run([DOCKER / "secrets.sh", self.secrets], HICO_DATABASE_HOST=f"127.0.0.1:{self.ports['postgres']}")

    # What compose.yaml says, on this machine

    def _here(self, text: object) -> str:
        """A text of the compose file with this stack's variables, folders and ports."""
        words = re.sub(r"\$\{(\w+)[^}]*\}", lambda m: self.variables.get(m[1]) or "us-east-1", str(text))
        for there, here in (
            ("@postgres/", f"@127.0.0.1:{self.ports['postgres']}/"),
            ("mlflow:5000", f"127.0.0.1:{self.ports['mlflow']}"),
            ("--port=5000", f"--port={self.ports['mlflow']}"),
            ("127.0.0.1:5000", f"127.0.0.1:{self.ports['mlflow']}"),
            ("--host=0.0.0.0", "--host=127.0.0.1"),
            ("head:6379", f"127.0.0.1:{self.ports['ray']}"),
            ("--port=6379", f"--port={self.ports['ray']}"),
            ("/run/secrets", str(self.secrets)),
            ("/ray/session", str(self.folder / "ray")),
        ):
            words = words.replace(there, here)
        for name in ("hico", "artifacts"):
            words = re.sub(rf"(^|=)/{name}$", rf"\1{self.folder / name}", words)
        return re.sub(r"^/(\w+\.sh)$", rf"{DOCKER}/\1", words)

    def environment(self, service: str) -> dict[str, str]:
        """Of a service alone: nothing of this process's but what finds programs and packages."""
        home = self.folder / f"home-{service}"
        home.mkdir(exist_ok=True)
        for secret in self.services[service].get("secrets", ()):
            if isinstance(secret, dict):
                target = home / Path(secret["target"]).relative_to("/home/hico")
                target.parent.mkdir(exist_ok=True)
                shutil.copy(self.secrets / secret["source"], target)
        told = self.services[service].get("environment", {})
        return {
            "PATH": f"{self.folder / 'programs'}:{os.environ['PATH']}",
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "TMPDIR": str(self.folder / "tmp"),
            **{key: self._here(value) for key, value in told.get("<<", {}).items()},
            **{key: self._here(value) for key, value in told.items() if key != "<<"},
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }

    def words(self, service: str) -> list[str]:
        told = self.services[service]
        return [self._here(word) for word in (*told.get("entrypoint", ["hico-platform"]), *told.get("command", ()))]

    # Services

    def start(self, service: str) -> None:
        if service == "postgres":
            return self._start_postgres()
        with (self.folder / f"{service}.log").open("ab") as log:
            self.running[service] = subprocess.Popen(
                self.words(service), env=self.environment(service), stdout=log, stderr=log, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip
        return None

    def stop(self, service: str, number: int = signal.SIGTERM) -> None:
        process = self.running.pop(service)
        process.send_signal(number)
        try:
            process.wait(timeout=START_S)
        finally:
            if service != "postgres":  # what Ray's own start has left behind; PostgreSQL ends its children itself
                _kill_session(process.pid)

    def close(self) -> None:
        for service in reversed(list(self.running)):
            self.stop(service, signal.SIGKILL if service != "postgres" else signal.SIGQUIT)

    def wait_for_mlflow(self) -> None:
        """Its health page, which asks for no password."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.running["mlflow"].poll() is None, self.log("mlflow")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['mlflow']}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(self.log("mlflow"))

    def wait_for_ray(self) -> None:
        """The compose file's own health check, of the cluster's token too."""
        check = [self._here(word) for word in self.services["head"]["healthcheck"]["test"][1:]]
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.running["head"].poll() is None, self.log("head")
            if subprocess.run(check, env=self.environment("head"), capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.5)
        raise AssertionError(self.log("head"))

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")[-4000:]

    # Commands

    def run(self, words: list[Any], **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": self.path, **environment}
        return subprocess.run(
            [str(word) for word in words], env=environment, capture_output=True, text=True, check=True
        )

    @property
    def path(self) -> str:
        """This process's, then where PostgreSQL's programs are."""
        return os.environ["PATH"] + ":" + str(Path(postgres_tool("pg_dump")).parent)

    def upgrade(self) -> str:
        done = subprocess.run(
            self.words("upgrade"), env=self.environment("upgrade"), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def maintenance(self, service: str, *words: str, programs: Path | None = None) -> str:
        """What the service's script prints; ``programs`` are found before PostgreSQL's own."""
        return self.run(
            [*(["env", f"PATH={programs}:{self.path}"] if programs else []), "sh", DOCKER / f"{service}.sh", *words],
            PGHOST="127.0.0.1",
            PGPORT=str(self.ports["postgres"]),
            SECRETS=str(self.secrets),
            BACKUPS=str(self.folder / "backups"),
            HOME_FOLDER=str(self.folder / "hico"),
            ARTIFACTS_FOLDER=str(self.folder / "artifacts"),
        ).stdout

    def driver(self, *words: str) -> subprocess.Popen[str]:
        """A command in the driver's environment, in a process namespace of its own where that can be had."""
        apart = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"] if os.getuid() == 0 else []
        return subprocess.Popen(
            [*apart, *self.words("driver"), *words], env=self.environment("driver"), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd=self.folder, start_new_session=True,
        )  # fmt: skip

    # PostgreSQL as its image starts it: a superuser with a password, then databases.sql

    def _start_postgres(self) -> None:
        data = self.folder / "database"
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.getuid() == 0 else []  # it refuses root
        first = not data.exists()
        if first:
            data.mkdir(mode=0o700)
            password = self.folder / "superuser"  # not below the folder of secrets, which is its owner's alone
            shutil.copy(self.secrets / "postgres_superuser", password)
            if as_user:
                shutil.chown(data, "nobody")
                self.folder.chmod(0o711)
            subprocess.run(
                [
                    *as_user, postgres_tool("initdb"), "-D", data, "-U", "postgres", f"--pwfile={password}",
                    "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync",
                ],
                check=True, capture_output=True, cwd=data,
            )  # fmt: skip
        with (self.folder / "postgres.log").open("ab") as log:
            self.running["postgres"] = subprocess.Popen(
                [
                    *as_user, postgres_tool("postgres"), "-D", data, "-p", str(self.ports["postgres"]), "-k", data,
                    "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
                ],
                stdout=log, stderr=log, cwd=data,
            )  # fmt: skip
        ready = [postgres_tool("pg_isready"), "--host=127.0.0.1", f"--port={self.ports['postgres']}", "--username=hico"]
        deadline = time.monotonic() + START_S
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, self.log("postgres")
            time.sleep(0.1)
        if first:
            superuser = (self.secrets / "postgres_superuser").read_text()
            self.sql("postgres", superuser, "postgres", file=DOCKER / "databases.sql")

    def sql(self, role: str, password: str, database: str, statement: str = "", *, file: Path | None = None) -> str:
        """What psql answers, or its error's text."""
        done = subprocess.run(
            [
                postgres_tool("psql"), "--no-psqlrc", "-At", "-v", "ON_ERROR_STOP=1",
                f"host=127.0.0.1 port={self.ports['postgres']} user={role} dbname={database}",
                *(["-f", str(file)] if file else ["-c", statement]),
            ],
            env={"PATH": os.environ["PATH"], "PGPASSWORD": password, "SECRETS": str(self.secrets)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert file is None or done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def secret(self, name: str) -> str:
        """The random part of a secret."""
        return re.findall(r"[0-9a-f]{48}", (self.secrets / name).read_text())[0]


def _kill_session(leader: int) -> None:
    listing = subprocess.run(["ps", "-eo", "pid,sess"], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines()[1:]:
        pid, session = map(int, line.split())
        if session == leader:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

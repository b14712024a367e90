"""Restores of a backup that fail: what each has replaced, and what it says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.e2e.test_postgres import postgres_tool

END = "-- PostgreSQL database dump complete"
STUBS = {
    "fails": "exit 1",
    "is killed midway": "{real} | head -c 3000; kill -KILL $$",
    "is cut short": "{real} | head -c 3000",
    "is cut short at mlflow": 'case "$*" in *mlflow.dump) {real} | head -c 3000 ;; *) {real} ;; esac',
}
SECOND_FAILS = f'{{real}}; case "$*" in *mlflow.dump) echo "SELECT 1 / 0;"; echo "{END}" ;; esac'


def check_failed_restores(stack: Stack, name: str, state: Callable[[Stack], list[str]]) -> None:
    """What fails before all is ready changes nothing; later it says what it has replaced."""
    before = state(stack)
    programs = stack.folder / "stubs"
    programs.mkdir()
    for how, body in STUBS.items():
        write(programs / "pg_restore", body)
        error = failed(stack, name, programs)
        assert "replaced so far: nothing; the same command may be repeated" in error, f"{how}: {error}"
        assert state(stack) == before, how
    (programs / "pg_restore").unlink()
    check_other_session(stack, name, programs)
    assert state(stack) == before
    write(programs / "pg_restore", SECOND_FAILS)
    error = failed(stack, name, programs)
    assert "replaced so far: database hico; the same command may be repeated" in error
    after = state(stack)
    assert after[:2] != before[:2], "hico"
    assert (after[2], after[-1]) == (before[2], before[-1]), "MLflow's database and the files are as they were"


def check_other_session(stack: Stack, name: str, programs: Path) -> None:
    """A client that is still connected is refused with its remedy."""
    words = [postgres_tool("psql"), "-At", f"host=127.0.0.1 port={stack.ports['postgres']} user=mlflow dbname=mlflow"]
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": stack.secret("mlflow_database")}
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        print("SELECT 'connected';", file=client.stdin, flush=True)
        assert client.stdout.readline() == "connected\n"
        error = failed(stack, name, programs)
        assert "expected no other session in database 'mlflow', got 1; end" in error
        client.stdin.close()


def write(file: Path, body: str) -> None:
    """A stand-in for PostgreSQL's program of the same name."""
    file.write_text("#!/bin/sh\n" + body.replace("{real}", f'{postgres_tool(file.name)} "$@"') + "\n")
    file.chmod(0o755)


def failed(stack: Stack, name: str, programs: Path) -> str:
    """The error of a restore that fails; it leaves nothing of its own behind."""
    with pytest.raises(subprocess.CalledProcessError) as raised:
        stack.maintenance("restore", name, programs=programs)
    assert "restored" not in raised.value.stdout
    assert [file.name for file in (stack.folder / "backups").iterdir()] == [name]
    assert not list(stack.folder.glob("*/.restore*"))
    return str(raised.value.stderr)

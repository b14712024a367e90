"""Another account of the machine, and what it gets of a search and of ``ui``.

``python -m tests.e2e.other_account JSON``: started by root it becomes that account, and only then attacks. It prints
what it was able to do, and all that it could read of processes, for the test to judge.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

UID = 54321
"""An account that owns nothing here."""


def main(*, folders: Sequence[str], processes: Sequence[int], ui: int, routes: Sequence[Sequence[Any]]) -> None:
    os.environ["RAY_AUTH_MODE"] = "disabled"  # what keeps others out must be the cluster's, not the caller's
    os.environ.pop("RAY_AUTH_TOKEN", None)
    from ray._raylet import GcsClient  # while this process may still read the installation

    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)
    seen = "\n".join(seen_of(pid) for pid in processes)
    done = {attempt for folder in folders for attempt in on_files(Path(folder))}
    done |= {attempt for pid in processes for attempt in on_process(pid)}
    addresses = sorted(set(re.findall(r"127\.0\.0\.1:\d+", seen)))
    joined = {address: joining(GcsClient, address) for address in addresses}
    answers = [[method, path, asked(ui, method, path, body)] for method, path, body in routes]
    sys.stdout.write(json.dumps({"seen": seen, "done": sorted(done), "joined": joined, "answers": answers}))


def seen_of(pid: int) -> str:
    """What the system shows of a process to everybody."""
    found = []
    for name in ("cmdline", "status", "stat"):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/{name}").read_text(errors="replace").replace("\0", " "))
    return "\n".join(found)


def on_files(folder: Path) -> Iterator[str]:
    """Attempts at all that can be found below a folder that this account can enter, and at what it knows by name."""
    known = (
        "home/study.db",
        "home/mlflow.db",
        "home/searches/toy/lock",
        "home/log",
        "home/searches",
        "home/mlartifacts",
    )
    for path in {*(folder / name for name in known), *_below(folder)}:
        yield from _attempts(path)


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        yield from (Path(root, name) for name in (*folders, *files))


def _attempts(path: Path) -> Iterator[str]:
    attempts: dict[str, Callable[[], object]] = {
        "list": functools.partial(os.listdir, path),
        "read": lambda: os.close(os.open(path, os.O_RDONLY)),
        "write": lambda: os.close(os.open(path, os.O_WRONLY)),
        "create in": (path / "planted").touch,
        "link in": functools.partial((path / "link").symlink_to, "/etc/passwd"),
        "change the mode of": lambda: path.chmod(0o777),
        "rename": lambda: path.rename(path.with_name("renamed")),
        "remove": lambda: path.rmdir() if path.is_dir() else path.unlink(),
    }
    for name, attempt in attempts.items():
        with contextlib.suppress(OSError):
            attempt()
            yield f"{name} {path}"


def on_process(pid: int) -> Iterator[str]:
    """Attempts at a process: its environment and memory, its open files, its end."""
    for name in ("environ", "mem", "maps", "fd/0", "fd/1", "cwd/.", "root/."):
        with contextlib.suppress(OSError):
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
            yield f"open {name} of {pid}"
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        yield f"signal {pid}"


def joining(client: Callable[..., Any], address: str) -> str:
    """How a cluster answers who has no token."""
    try:
        keys = client(address=address).internal_kv_keys(b"", namespace=b"", timeout=5)
        return f"joined, and sees {len(keys)} keys"
    except Exception as error:
        return type(error).__name__


def asked(port: int, method: str, path: str, body: Any) -> int:
    """The status of an answer of ``ui``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, None if body is None else json.dumps(body), {"content-type": "application/json"})
    return connection.getresponse().status


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))

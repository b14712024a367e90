"""Secrets planted in each place where one can be given, and where they are looked for during a search and after."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, inspect, text

MARK = "pl4nted"
"""In each of them, and in nothing else."""
VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "MLFLOW_TRACKING_PASSWORD",
)  # fmt: skip


def in_files(folder: Path, *marks: str) -> list[str]:
    """Files that hold one of the marks; files come and go meanwhile."""
    found = []
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if file.is_file() and any(mark.encode() in file.read_bytes() for mark in (MARK, *marks)):
                found.append(str(file))
    return found


def in_arguments(*marks: str) -> list[str]:
    """Command lines, which every account sees, that hold one of the marks."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if any(mark in line for mark in (MARK, *marks)):
                found.append(line)
    return found


def in_database(url: str) -> list[str]:
    """Rows of all tables."""
    engine = create_engine(url)
    with engine.connect() as connection:
        return [
            f"{table}: {row[0]}"
            for table in inspect(engine).get_table_names()
            for row in connection.execute(text(f'SELECT t::text FROM "{table}" t'))
            if MARK in row[0]
        ]


@contextlib.contextmanager
def arguments_watched() -> Iterator[list[str]]:
    """What of the mark comes by in command lines, some only while a worker starts."""
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.extend(in_arguments())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def variable_of(pid: int, name: str) -> str:
    """A variable of a process, which its owner alone can read."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.partition("=")[::2] for pair in pairs)[name]

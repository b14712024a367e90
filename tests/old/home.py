"""Unpacks a home that version 0.1.0 (commit bc41282) wrote; README.md says how it was made."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
WRITTEN_IN = "/tmp/h/home"
TRIALS = "searches/small/trials-7fc1dd32e8f4"
RETRAINED = "searches/small/final/a3f75c54990a"
RUN = "runs/one-1a04e4d6/epoch-000002"


def old_home(home: Path) -> Path:
    """Makes ``home``, with both databases from their SQL text."""
    with tarfile.open(HERE / "home.tar.xz") as packed:
        packed.extractall(home, filter="data")
    for name in ("study", "mlflow"):
        text = home / f"{name}.sql"
        with closing(sqlite3.connect(home / f"{name}.db")) as database:
            database.executescript(text.read_text())
        text.unlink()
    return home


def printed(command: str, home: Path) -> Any:
    """What a command of that version printed as JSON, with the paths of ``home``."""
    return json.loads((HERE / "printed" / f"{command}.json").read_text().replace(WRITTEN_IN, str(home)))


def assert_holds(found: Any, expected: Any, path: str = "") -> None:
    """``found`` has all that was printed then; what later versions add does not matter."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), path
        for key, value in expected.items():
            assert key in found, f"{path}.{key} is gone"
            assert_holds(found[key], value, f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for index, value in enumerate(expected):
            assert_holds(found[index], value, f"{path}[{index}]")
    elif isinstance(expected, float):  # the last digits of a sum are those of a machine's mathematics library
        assert found == pytest.approx(expected, rel=1e-12), path
    else:
        assert found == expected, f"{path}: {found!r}, and not {expected!r}"

"""Stores that tests copy are what MLflow makes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from hico_platform.home import mlflow_uri
from hico_platform.tracking.mlflow_tracker import MlflowTracker


def content(home: Path) -> dict[str, object]:
    """Every statement that made the store, and every table's number of rows."""
    home.mkdir()
    assert MlflowTracker(uri=mlflow_uri(home), artifacts=None).experiments() == {}
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        made = store.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        # Constraints of a table that a migration copies come in any order.
        lines = {name: sorted(line.strip(" \t,") for line in (sql or "").splitlines()) for _, name, sql in made}
        version = store.execute("SELECT * FROM alembic_version").fetchall()
        rows = {
            name: store.execute(f'SELECT count(*) FROM "{name}"').fetchone()
            for kind, name, _ in made
            if kind == "table"
        }
    return {"lines": lines, "version": version, "rows": rows}


@pytest.mark.slow
def test_a_copy_is_what_the_migrations_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content(tmp_path / "first")
    copied = content(tmp_path / "copied")
    calls: list[str] = []

    def upgrade(*words: object) -> None:
        calls.append("migrated")
        command_upgrade(*words)

    command_upgrade = command.upgrade.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.setattr(command, "upgrade", upgrade)
    made = content(tmp_path / "made")
    assert calls == ["migrated"]
    assert copied == made
    assert len(made["rows"]) > 20  # type: ignore[arg-type]

"""What alembic does for Optuna and MLflow, once for all databases of a test process: most of the time of many tests.

Both load all their migration scripts whenever a database is opened, Optuna three times, and MLflow runs 68 of them to
make a new one. The scripts are the packages' own and their outcome is the same each time.
"""

from __future__ import annotations

import functools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory


def read_scripts_once() -> None:
    """Each folder of scripts is loaded once; alembic only looks things up in what it has loaded."""
    from alembic import script

    read = script.ScriptDirectory.from_config
    found: dict[str | None, ScriptDirectory] = {}

    def from_config(config: Config) -> ScriptDirectory:
        location = config.get_alembic_option("script_location")
        if location not in found:
            found[location] = read(config)
        return found[location]

    script.ScriptDirectory.from_config = from_config  # type: ignore[method-assign]


def copy_new_stores(template: Path) -> None:
    """The first new SQLite store of MLflow is made by its migrations, and copied to ``template``; others are copies.

    A store that has been migrated before, a server's and one in memory are left to MLflow.
    """
    from alembic import command

    upgrade = command.upgrade

    @functools.wraps(upgrade)
    def upgraded(config: Config, *words: Any, **options: Any) -> None:
        file = _new_store(config)
        if file is not None and template.exists():
            _copy(template, file)
            return
        upgrade(config, *words, **options)
        if file is not None:
            _copy(file, template)

    command.upgrade = upgraded


def _new_store(config: Config) -> str | None:
    """The file of the store that is to be migrated, where that is MLflow's and has never been."""
    connection = config.attributes.get("connection")
    if connection is None or "mlflow" not in Path(str(config.get_main_option("script_location"))).parts:
        return None
    url = connection.engine.url
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:") or "uri" in url.query:
        return None
    with closing(sqlite3.connect(url.database)) as store:
        tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        known = "alembic_version" in tables or any(
            store.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in tables
        )
    return None if known else str(url.database)


def _copy(source: str | Path, target: str | Path) -> None:
    with closing(sqlite3.connect(source)) as found, closing(sqlite3.connect(target)) as made:
        found.backup(made)

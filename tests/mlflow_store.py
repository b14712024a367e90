"""An empty MLflow store to copy, since MLflow takes seconds to build one."""

from __future__ import annotations

import functools
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hico_platform.home import mlflow_uri
from hico_platform.tracking.mlflow_tracker import MlflowTracker


def mlflow_home(home: Path) -> MlflowTracker:
    """The tracking store of a new home."""
    home.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(_template())) as template, closing(sqlite3.connect(home / "mlflow.db")) as store:
        template.backup(store)  # with what is not in its file yet
    return tracker_of(home)


def tracker_of(home: Path) -> MlflowTracker:
    """The tracking store of a home, opened anew."""
    return MlflowTracker(uri=mlflow_uri(home), artifacts=home / "mlartifacts")


@functools.cache
def _template() -> Path:
    home = Path(tempfile.mkdtemp(prefix="hico-mlflow-"))
    tracker_of(home).runs("Default")
    return home / "mlflow.db"

"""MLflow's pages: how they are served over a tracking store, and where in them the searches are."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from hico_platform.sqlite_files import sqlite_file
from hico_platform.tracking.base import mlflow_uri
from hico_platform.tracking.moved_home import follow_moved_home

# No telemetry, and none of the processes that carry out jobs for language models: they hold 2 GB.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
# Said in the address, or MLflow shows an experiment as an application of language models.
_TRAINING = "?workflowType=machine_learning"


def is_served(uri: str) -> bool:
    """Whether a tracking store is a server, which has its pages already."""
    return uri.startswith(("http://", "https://"))


def copy_if_read_only(uri: str) -> str:
    """The store to serve: a copy, in a folder of this user's own, of a SQLite store that may only be read.

    MLflow writes into a store when it opens it. Artifacts are read where they are; what is changed in the pages is not
    kept.
    """
    file = sqlite_file(uri)
    if file is None or not file.exists() or (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        return uri
    folder = Path(tempfile.mkdtemp(prefix="hico-ui-"))
    copy = folder / "mlflow.db"
    try:
        address = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as store, closing(sqlite3.connect(copy)) as target:
            store.backup(target)
    except sqlite3.OperationalError:  # nobody has it open: a reader would have to make files beside it
        shutil.copyfile(file, copy)
        log = file.with_name(f"{file.name}-wal")
        if log.exists():
            shutil.copyfile(log, copy.with_name(log.name))
    follow_moved_home(copy, home=file.parent)
    return mlflow_uri(folder)


def server_command(*, uri: str, host: str, port: int) -> list[str]:
    """The command that serves the pages over a tracking store."""
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
    ]


def server_environment() -> dict[str, str]:
    """The environment of that command: this process's, and what it leaves unsaid of :data:`ENVIRONMENT`."""
    return {**ENVIRONMENT, **os.environ}


def page_addresses(base: str, experiments: Mapping[str, str]) -> dict[str, str]:
    """Address of each search's page, and of the registry; ``experiments`` gives ids by name."""
    base = base.rstrip("/")
    pages = {name: f"{base}/#/experiments/{number}/runs{_TRAINING}" for name, number in experiments.items()}
    return {**pages, "models": f"{base}/#/models{_TRAINING}"}

"""MLflow's client: how it is opened, and its errors as those of a tracker."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hico_platform.atomic_io import sync
from hico_platform.errors import HicoError, UsageError
from hico_platform.sqlite_files import (
    alone_in,
    is_read_only,
    prepare_database,
    sqlite_file,
    sqlite_url,
    without_new_folder,
)
from hico_platform.tracking.base import TrackingError, TrackingRefused
from hico_platform.tracking.failures import in_one_line, is_answered, is_away, remedy
from hico_platform.tracking.moved_home import follow_moved_home

# Read by MLflow: no telemetry, no bars among a command's own; a request is made once, since one whose answer is lost
# may have made a run, and a second try looks for it first. At the end of a run it would print the server's address,
# with the password in it.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else a model takes up the lock file of whatever folder a command runs in
}


def open_client(uri: str) -> Any:
    """MLflow's client of a store; a SQLite file is made, or its schema upgraded, where it has to be.

    Raises:
        TrackingRefused: the file cannot be used as a database.
    """
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    for logger in ("mlflow", "alembic", "mlflow.store.db.utils"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    file = sqlite_file(uri)
    if file is not None and is_read_only(uri):
        file = None
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(None if file is None else file.parent):
        if file is not None and not file.exists():
            _make(file)
    if file is not None:
        try:
            prepare_database(file, rule="a tracking database")  # the UI reads while a search writes
        except UsageError as error:
            raise TrackingRefused(str(error)) from error
        follow_moved_home(file)
    with alone_in(None if file is None else file.parent):  # its schema may be an older one
        return _client(uri)


def _client(uri: str) -> Any:
    from mlflow import MlflowClient
    from mlflow.store.db import utils

    # MLflow tries to connect to a database for 100 s; the outbox tries again.
    utils.MAX_RETRY_COUNT = 1
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _make(file: Path) -> None:
    """Makes a database whole, or not at all: MLflow refuses one whose making was cut off, and cannot go on with it."""
    new = file.with_name(f".{file.name}.new")
    for one in (new, new.with_name(f"{new.name}-journal")):  # an earlier one's
        one.unlink(missing_ok=True)
    made = _client(without_new_folder(sqlite_url(new)))
    made._tracking_client.store.engine.dispose()
    sync(new)
    try:
        os.link(new, file)  # which replaces none: on a file system without locks another process may have made one
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        new.rename(file)
    new.unlink(missing_ok=True)
    sync(file.parent)


@contextmanager
def tracker_errors() -> Iterator[None]:
    """Raises any error of MLflow, or of what is below it, as TrackingError or TrackingRefused."""
    try:
        yield
    except (TrackingError, TrackingRefused, HicoError):
        raise
    except Exception as error:
        if is_away(error):
            raise TrackingError(in_one_line(error), answered=is_answered(error)) from error
        raise TrackingRefused(in_one_line(error), remedy=remedy(error)) from error

"""MLflow's client: how it is opened, and its errors as those of a tracker."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hico_platform.errors import HicoError, UsageError
from hico_platform.sqlite_files import alone_in, is_read_only, prepare_database, sqlite_file
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
    if file is not None and not is_read_only(uri):
        try:
            prepare_database(file, rule="a tracking database")  # the UI reads while a search writes
        except UsageError as error:
            raise TrackingRefused(str(error)) from error
        follow_moved_home(file)

    from mlflow import MlflowClient
    from mlflow.store.db import utils

    # MLflow tries to connect to a database for 100 s; the outbox tries again.
    utils.MAX_RETRY_COUNT = 1
    with alone_in(None if file is None else file.parent):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


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

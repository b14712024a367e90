"""Serves MLflow's pages for a tracking store, and gives the addresses of the searches in them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hico_platform.home import mlflow_uri
from hico_platform.sqlite_files import sqlite_file, without_new_folder
from hico_platform.tracking.mlflow_app import AccessGuard, AccessPolicy, App
from hico_platform.tracking.mlflow_tracker import TRAINING, Experiment
from hico_platform.tracking.moved_home import follow_moved_home
from hico_platform.tracking.optuna_routes import OPTUNA
from hico_platform.tracking.search_view import VIEW_KEY

ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true"}
# No jobs for language models (their routes are refused), no scorers' code, no artifacts through the server.
_FIXED = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
    "_MLFLOW_IN_JOB_EXECUTOR": "false",
    "_MLFLOW_SGI_NAME": "uvicorn",
}
# Variables of another server that started this process: they would change paths and folders of this one.
_NOT_FOR_IT = (
    "_MLFLOW_STATIC_PREFIX",
    "_MLFLOW_SERVER_SERVE_ARTIFACTS",
    "_MLFLOW_SERVER_ARTIFACT_DESTINATION",
    "_MLFLOW_SERVER_ARTIFACTS_ONLY",
    "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE",
    "prometheus_multiproc_dir",
)
_VIEW = f"&viewStateShareKey={VIEW_KEY}"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The files of a certificate (with its chain) and of its key."""

    certificate: Path
    key: Path


def copy_if_read_only(uri: str) -> str:
    """The store to serve: for a SQLite store that this user may only read, a copy in a temporary folder.

    MLflow writes to a store when it opens it. Artifacts are read from their original folder; changes that are made in
    the pages are lost.
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
    except sqlite3.OperationalError:  # no process has it open: a reader would have to create files beside it
        shutil.copyfile(file, copy)
        log = file.with_name(f"{file.name}-wal")
        if log.exists():
            shutil.copyfile(log, copy.with_name(log.name))
    follow_moved_home(copy, home=file.parent)
    return mlflow_uri(folder)


def serve(
    policy: AccessPolicy, *, uri: str, artifacts: Path | None, listening: socket.socket, tls: Tls | None = None
) -> None:
    """Serves the pages of a tracking store from this process, until Ctrl-C or SIGTERM.

    Args:
        policy: who may send requests.
        uri: the tracking store. It may hold a password, so MLflow gets it only through this process's environment.
        artifacts: the folder for artifacts of experiments that are created in the pages.
        listening: the bound socket.
        tls: the certificate's files, to serve with TLS.

    Raises:
        KeyboardInterrupt: a signal ended it.
    """
    os.environ.update(server_environment(policy, uri=uri, artifacts=artifacts))
    for name in _NOT_FOR_IT:
        os.environ.pop(name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings of MLflow's dependencies
        from mlflow.server.fastapi_app import app

    serve_app(AccessGuard(app, policy=policy), listening=listening, tls=tls)


def serve_optuna(app: Any, policy: AccessPolicy, *, listening: socket.socket, tls: Tls | None = None) -> None:
    """Serves optuna-dashboard's WSGI app behind the same guard, until Ctrl-C or SIGTERM.

    Raises:
        KeyboardInterrupt: a signal ended it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's server too, which wraps its own app in this
        from starlette.middleware.wsgi import WSGIMiddleware

        wrapped = WSGIMiddleware(app)
    guarded = AccessGuard(cast(App, wrapped), policy=policy, routes=OPTUNA, title="optuna-dashboard")
    serve_app(guarded, listening=listening, tls=tls)


def serve_app(app: App, *, listening: socket.socket, tls: Tls | None = None) -> None:
    """Serves a guarded app from this process, until Ctrl-C or SIGTERM.

    Raises:
        KeyboardInterrupt: a signal ended it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",  # MLflow's lifespan code only serves its assistant, and stops containers
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,  # it would contain the token
            server_header=False,
            proxy_headers=False,  # X-Forwarded headers are not trusted
            timeout_graceful_shutdown=2,
            ssl_certfile=None if tls is None else tls.certificate,
            ssl_keyfile=None if tls is None else tls.key,
        )
    )
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_DFL:  # uvicorn stops, then raises the same signal again
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


def server_environment(policy: AccessPolicy, *, uri: str, artifacts: Path | None) -> dict[str, str]:
    """Environment variables for MLflow's server; those of :data:`ENVIRONMENT` only if they are not set yet."""
    uri = without_new_folder(uri)
    hosts = {"MLFLOW_SERVER_ALLOWED_HOSTS": policy.hosts, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": policy.origins}
    return {
        **{name: value for name, value in ENVIRONMENT.items() if name not in os.environ},
        **_FIXED,
        **{name: ",".join(sorted(values)) for name, values in hosts.items()},
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        **({} if artifacts is None else {"_MLFLOW_SERVER_ARTIFACT_ROOT": str(artifacts)}),
    }


def page_addresses(base: str, experiments: Mapping[str, Experiment], *, token: str | None = None) -> dict[str, str]:
    """Addresses of each search's page and of the registry.

    Args:
        base: the server's address.
        experiments: by name; one with a view is opened with it.
        token: the access token; a browser keeps the fragment after it (``#...``) over the redirect.
    """
    base = f"{base.rstrip('/')}/" + ("" if token is None else f"?token={token}")
    pages = {
        name: f"{base}#/experiments/{one.number}/runs{TRAINING}{_VIEW if one.has_view else ''}"
        for name, one in experiments.items()
    }
    return {**pages, "models": f"{base}#/models{TRAINING}"}

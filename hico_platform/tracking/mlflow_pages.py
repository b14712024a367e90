"""MLflow's pages: how they are served over a tracking store, and where in them the searches are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

# No telemetry, and none of the processes that carry out jobs for language models: they hold 2 GB.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
# Said in the address, or MLflow shows an experiment as an application of language models.
_TRAINING = "?workflowType=machine_learning"


def is_served(uri: str) -> bool:
    """Whether a tracking store is a server, which has its pages already."""
    return uri.startswith(("http://", "https://"))


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

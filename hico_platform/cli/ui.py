"""Browse searches, trials, checkpoints and models in MLflow's pages.

example:
  hico-platform ui --port 5000
"""

from __future__ import annotations

import argparse
import os

from hico_platform.cli.search import add_places, places_of
from hico_platform.errors import UsageError
from hico_platform.tracking.mlflow_tracker import ui_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Becomes MLflow's server."""
    places = places_of(arguments)
    if places.tracking is None and not (places.home / "mlflow.db").exists():
        raise UsageError(f"there is nothing to browse in {places.home} yet: run a search first, or give --home")
    command = ui_command(uri=places.tracking_uri, host=arguments.host, port=arguments.port)
    print(f"http://{arguments.host}:{arguments.port}  (Ctrl-C ends it)", flush=True)
    os.execv(command[0], command)
    return 1

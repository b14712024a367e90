"""Browse searches, trials, checkpoints and models in MLflow's pages.

With a tracking server (--tracking http://...) its pages are there already; their addresses are printed.

example:
  hico-platform ui --port 5000
"""

from __future__ import annotations

import argparse
import os
import socket

from hico_platform.cli.places_options import add_places, places_of
from hico_platform.errors import Problem, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints where to look, and becomes MLflow's server."""
    from hico_platform.stages.tracking_check import away, refused
    from hico_platform.tracking.base import TrackingError, TrackingRefused
    from hico_platform.tracking.mlflow_pages import (
        copy_if_read_only,
        is_served,
        page_addresses,
        server_command,
        server_environment,
    )
    from hico_platform.tracking.mlflow_tracker import MlflowTracker

    places = places_of(arguments)
    if places.tracking is None and not (places.home / "mlflow.db").exists():
        raise UsageError(f"there is nothing to browse in {places.home} yet: run a search first, or give --home")
    served = is_served(places.tracking_uri)
    if not served:
        _refuse_taken(arguments.host, arguments.port)
    uri = copy_if_read_only(places.tracking_uri)
    if uri != places.tracking_uri:
        print(f"{places.home} can only be read: changes that are made in the pages are not kept there")
    tracker = MlflowTracker(uri=uri, artifacts=None)
    try:
        experiments = tracker.experiments()
    except TrackingRefused as refusal:
        raise refused(tracker, refusal, rule="a tracking store that can be read") from refusal
    except TrackingError as error:
        raise away(tracker, error) from error
    base = places.tracking_uri if served else f"http://{arguments.host}:{arguments.port}"
    for name, address in page_addresses(base, experiments).items():
        print(f"{name:<24} {address}")
    if served:
        return 0
    print("the pages are there in a few seconds; Ctrl-C ends them", flush=True)
    command = server_command(uri=uri, host=arguments.host, port=arguments.port)
    os.execve(command[0], command, server_environment())
    return 1


def _refuse_taken(host: str, port: int) -> None:
    """A taken port is said here, where it can be said in a line."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                Problem(
                    field="--port",
                    rule="an address and port that can be listened on",
                    value=f"{host}:{port}",
                    remedy=f"{error.strerror}; give another --port",
                )
            ) from error

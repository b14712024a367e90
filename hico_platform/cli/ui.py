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
from hico_platform.cli.terminal import plain_line
from hico_platform.errors import Problem, UsageError
from hico_platform.masking import masked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: 5000)")
    add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints where to look, and becomes MLflow's server."""
    from hico_platform.sqlite_files import check_database, sqlite_file, url_for_looking
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
        check_address(arguments.host, arguments.port)
        file = sqlite_file(places.tracking_uri)
        if file is not None:
            check_database(file, what="a tracking database", writing=False)
    uri = copy_if_read_only(places.tracking_uri)
    if uri != places.tracking_uri:
        print(
            f"{places.home} can only be read: this shows what is there now, and changes made in the pages are not kept"
        )
    uri = url_for_looking(uri)  # on a full disk a store is read as it is
    tracker = MlflowTracker(uri=uri, artifacts=None)
    try:
        experiments = tracker.experiments()
    except TrackingRefused as refusal:
        raise refused(tracker, refusal, rule="a tracking store that can be read") from refusal
    except TrackingError as error:
        raise away(tracker, error) from error
    base = masked(uri) if served else f"http://{_in_address(arguments.host)}:{arguments.port}"
    for name, address in page_addresses(base, experiments).items():
        print(f"{plain_line(name):<24} {address}")
    if served:
        return 0
    print("the pages are there in a few seconds; Ctrl-C ends them", flush=True)
    command = server_command(uri=uri, host=arguments.host, port=arguments.port)
    os.execve(command[0], command, server_environment())
    return 1


def check_address(host: str, port: int) -> None:
    """Whether an address can be listened on, where it can be known in a line.

    Raises:
        UsageError: the name does not resolve, the port is none or taken, or this user may not have it.
    """
    if not 1 <= port <= 65535:
        raise UsageError(Problem(field="--port", rule="a port from 1 to 65535", value=port, remedy="give another"))
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(
            Problem(
                field="--host",
                rule="an address or the name of this machine",
                value=host,
                remedy="it does not resolve; give such as 127.0.0.1, ::1 or 0.0.0.0",
            )
        ) from error
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UsageError(
            Problem(
                field="--port",
                rule="an address and port that can be listened on",
                value=f"{_in_address(host)}:{port}",
                remedy=f"{error.strerror}; give another --port or --host",
            )
        ) from error


def _in_address(host: str) -> str:
    """A host as it is written in a web address."""
    return f"[{host}]" if ":" in host else host

"""Order what waits in a search: points that were added, and trials that wait for a worker; higher goes first.

examples:
  hico-platform priority level_weights 12 5
  hico-platform show level_weights          # lists the points that wait
"""

from __future__ import annotations

import argparse

from hico_platform.cli.steer_options import add_steer_options, print_asked
from hico_platform.cli.store_options import home_paths
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("trial", metavar="TRIAL", type=int, help="the number of a trial or of a waiting point")
    parser.add_argument("priority", metavar="PRIORITY", type=int, help="higher goes first; 0 is that of all others")
    add_steer_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the request, and waits a little for the answer."""
    from hico_platform.commands.steer import ask
    from hico_platform.search.requests import RequestKind

    name = check_known_name(arguments.name, field="NAME")
    asked = ask(
        home_paths(arguments),
        name,
        RequestKind.PRIORITY,
        trial=arguments.trial,
        count=arguments.priority,
        patience_s=arguments.wait,
    )
    return print_asked(asked, name, as_json=arguments.json)

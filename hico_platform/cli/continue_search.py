"""Go on with what was paused: trials continue from their checkpoints.

examples:
  hico-platform continue level_weights
  hico-platform continue level_weights 7
"""

from __future__ import annotations

import argparse

from hico_platform.cli.steer_options import add_steer_options, print_asked
from hico_platform.cli.store_options import home_paths
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="continue this trial alone")
    add_steer_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the request, and waits a little for the answer."""
    from hico_platform.commands.steer import ask
    from hico_platform.search.requests import RequestKind

    name = check_known_name(arguments.name, field="NAME")
    asked = ask(home_paths(arguments), name, RequestKind.CONTINUE, trial=arguments.trial, patience_s=arguments.wait)
    return print_asked(asked, name, as_json=arguments.json)

"""Stop a search as Ctrl-C would, from any machine that reaches its ledger; or end one of its trials.

A search that was stopped goes on with search --resume. A trial that was stopped ends at its next report, and is
evaluated downstream like one that the scheduler stops.

examples:
  hico-platform stop level_weights
  hico-platform stop level_weights 7
"""

from __future__ import annotations

import argparse

from hico_platform.cli.steer_options import add_steer_options, print_asked
from hico_platform.cli.store_options import home_paths
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="end this trial alone, at its next report")
    add_steer_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the request, and waits a little for the answer."""
    from hico_platform.commands.steer import ask
    from hico_platform.search.requests import RequestKind

    name = check_known_name(arguments.name, field="NAME")
    asked = ask(home_paths(arguments), name, RequestKind.STOP, trial=arguments.trial, patience_s=arguments.wait)
    return print_asked(asked, name, as_json=arguments.json)

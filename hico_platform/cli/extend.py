"""Extend a search by more trials, while it runs or before it is resumed.

examples:
  hico-platform extend level_weights --trials 8
"""

from __future__ import annotations

import argparse

from hico_platform.cli.steer_options import add_steer_options, print_asked
from hico_platform.cli.store_options import home_paths
from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    more = parser.add_mutually_exclusive_group(required=True)
    more.add_argument("--trials", type=int, metavar="N", help="so many trials more")
    more.add_argument("--epochs", type=int, metavar="N", help="why a search keeps its epochs, and what to do instead")
    add_steer_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the request, and waits a little for the answer."""
    from hico_platform.commands.steer import ask, why_no_more_epochs
    from hico_platform.config.space_settings import MOST_TRIALS
    from hico_platform.search.requests import RequestKind

    paths, name = home_paths(arguments), check_known_name(arguments.name, field="NAME")
    if arguments.epochs is not None:
        raise why_no_more_epochs(paths, name, arguments.epochs)
    if not 1 <= arguments.trials <= MOST_TRIALS:
        rule = "at least 1" if arguments.trials < 1 else f"at most {MOST_TRIALS:,}"
        raise UsageError(Problem(field="--trials", rule=rule, value=arguments.trials, remedy="give a count"))
    asked = ask(paths, name, RequestKind.EXTEND, count=arguments.trials, patience_s=arguments.wait)
    return print_asked(asked, name, as_json=arguments.json)

"""Compare searches: their bests with 95 % intervals, and how good each was at equal cost.

Numbers of different data, protocols or splits are not comparable; a warning says so first.

examples:
  hico-platform compare level_weights encoder
  hico-platform compare level_weights encoder temperature --json
"""

from __future__ import annotations

import argparse
import json
import sys

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="two searches or more")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints the comparison."""
    from hico_platform.cli.views.compare_view import compare_lines
    from hico_platform.commands.compare_searches import compare_searches

    names = list(dict.fromkeys(check_known_name(name, field="NAME") for name in arguments.names))
    if len(names) < 2:
        raise UsageError(Problem(field="NAME", rule="at least two searches", value=names[0], remedy="name another"))
    comparison = compare_searches(home_paths(arguments), names)
    if arguments.json:
        print(json.dumps(comparison.as_dict()))
    else:
        ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
        print("\n".join(compare_lines(comparison, ascii_only=ascii_only)))
    return 0

"""List the searches of a home, the newest first: who, state, trials, best, cost and disk.

examples:
  hico-platform list
  hico-platform list --tag baseline
  hico-platform list --all --json
  hico-platform list --storage postgresql+psycopg://host/db
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.cli.views.console import console_on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--all", action="store_true", help="archived searches too")
    parser.add_argument(
        "--tag", action="append", default=[], metavar="TAG", dest="tags",
        help="searches with this tag alone (repeated: with all of them)",
    )  # fmt: skip
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints the list."""
    from hico_platform.cli.views.list_view import list_lines
    from hico_platform.search.listing import listed_searches

    found = listed_searches(home_paths(arguments), archived=arguments.all, tags=arguments.tags)
    if arguments.json:
        print(json.dumps([one.as_dict() for one in found]))
        return 0
    if not found:
        print("no searches" + (f" with the tag {', '.join(arguments.tags)}" if arguments.tags else ""))
        return 0
    console = console_on(sys.stdout)
    for line in list_lines(found, now_s=time.time()):
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line, soft_wrap=True, highlight=False)
    return 0

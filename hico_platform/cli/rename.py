"""Give a search another name: study, folder and MLflow experiment. An interrupted rename can be run again.

A registered model keeps its name. The old name is remembered, and told to whoever asks for it.

examples:
  hico-platform rename level_weights level_weights_small
"""

from __future__ import annotations

import argparse

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("new", metavar="NEW", help="its new name")
    parser.add_argument("--force", action="store_true", help="also where another user ran it last")
    add_store_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Renames the search."""
    from hico_platform.commands.rename_search import rename_search

    name = check_known_name(arguments.name, field="NAME")
    rename_search(home_paths(arguments), name, arguments.new, force=arguments.force)
    print(f"{name} is {arguments.new} now")
    return 0

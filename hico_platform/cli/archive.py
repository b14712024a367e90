"""Hide a search from list, or show it again; nothing is removed.

examples:
  hico-platform archive level_weights
  hico-platform list --all
  hico-platform archive level_weights --undo
"""

from __future__ import annotations

import argparse

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.cli.views.untracked import warn_untracked
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("--undo", action="store_true", help="show it in lists again")
    add_store_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Archives the search, or takes it back."""
    from hico_platform.commands.search_labels import archive

    name = check_known_name(arguments.name, field="NAME")
    warn_untracked(archive(home_paths(arguments), name, undo=arguments.undo))
    print(f"{name}: {'in lists again' if arguments.undo else 'archived; list --all shows it'}")
    return 0

"""Tag a search, to find it by list --tag; MLflow shows the tags, too.

examples:
  hico-platform tag level_weights baseline paper
  hico-platform tag level_weights --remove paper
  hico-platform list --tag baseline
"""

from __future__ import annotations

import argparse

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.cli.views.untracked import warn_untracked
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("tags", metavar="TAG", nargs="*", help="tags to add (default: print those that it has)")
    parser.add_argument("--remove", metavar="TAG", action="append", default=[], help="a tag to take away (repeatable)")
    add_store_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Changes the tags and prints those that the search has then."""
    from hico_platform.commands.search_labels import change_tags
    from hico_platform.search.status import search_status

    paths, name = home_paths(arguments), check_known_name(arguments.name, field="NAME")
    if arguments.tags or arguments.remove:
        warn_untracked(change_tags(paths, name, add=arguments.tags, remove=arguments.remove))
    tags = search_status(paths, name).tags
    print(f"{name}: {', '.join(tag.name for tag in tags) or 'no tags'}")
    return 0

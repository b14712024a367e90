"""Write a note about a search, which list, show and MLflow show; an empty one takes it away.

examples:
  hico-platform note level_weights "momentum was too low: see the next one"
  hico-platform note level_weights ""
  hico-platform note level_weights
"""

from __future__ import annotations

import argparse

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.cli.terminal import plain
from hico_platform.cli.views.untracked import warn_untracked
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the note (default: print the one that there is)")
    add_store_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes or prints the note."""
    from hico_platform.commands.search_labels import write_note
    from hico_platform.search.status import search_status

    paths, name = home_paths(arguments), check_known_name(arguments.name, field="NAME")
    if arguments.text is None:
        note = search_status(paths, name).note
        print("no note" if note is None else plain(note.text))
        return 0
    warn_untracked(write_note(paths, name, arguments.text))
    print(f"{name}: {'noted' if arguments.text else 'its note is gone'}")
    return 0

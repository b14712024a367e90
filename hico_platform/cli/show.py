"""Show a search whole, or one of its trials: parameters, curve, decisions, scores, cost, machine, checkpoint.

examples:
  hico-platform show level_weights
  hico-platform show level_weights 7
  hico-platform show level_weights 7 --json
"""

from __future__ import annotations

import argparse
import json

from hico_platform.cli.store_options import add_store_options, home_paths, store_words
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("trial", metavar="TRIAL", nargs="?", type=int, help="the number of one of its trials")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints what is known."""
    from hico_platform.cli.views.search_details import search_lines, trial_lines
    from hico_platform.commands.best_config import trial_of
    from hico_platform.search.disk_use import folder_bytes, stored_bytes
    from hico_platform.search.status import search_status

    paths = home_paths(arguments)
    status = search_status(paths, check_known_name(arguments.name, field="NAME"))
    if arguments.trial is not None:
        trial = trial_of(status, arguments.trial)
        if arguments.json:
            print(json.dumps(status.trial_as_dict(trial)))
        else:
            print("\n".join(trial_lines(status, trial)))
        return 0
    size, stored = folder_bytes(paths.search(status.search.name)), stored_bytes(status.stores)
    if arguments.json:
        print(json.dumps({**status.as_dict(), **status.whole_as_dict(), "bytes": size, "stored": dict(stored)}))
    else:
        print("\n".join(search_lines(status, bytes_on_disk=size, stored=stored, stores=store_words(arguments))))
    return 0

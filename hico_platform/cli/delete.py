"""Delete a search: its study, its runs, its checkpoints and its folder. It asks first.

Runs are marked as deleted in MLflow, and their files in the home removed. Registered models stay, with what they are
made of. An interrupted deletion can be run again.

examples:
  hico-platform delete level_weights --dry-run
  hico-platform delete level_weights
  hico-platform delete level_weights --yes
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from hico_platform.amounts import shown_bytes
from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.commands.delete_search import Deletion
from hico_platform.errors import Problem, UsageError
from hico_platform.names import check_known_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, with its bytes; change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--force", action="store_true", help="also where a model of it is champion, or another user ran it last"
    )
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print what goes as JSON; needs --yes or --dry-run")


def run(arguments: argparse.Namespace) -> int:
    """Says what goes, asks, and deletes it."""
    from hico_platform.commands.delete_search import delete_search, deletion_of

    paths, name = home_paths(arguments), check_known_name(arguments.name, field="NAME")
    asks = not (arguments.dry_run or arguments.yes)
    if asks and (arguments.json or not sys.stdin.isatty()):
        raise UsageError(
            Problem(field="--yes", rule="a terminal to ask on, or --yes", remedy="give --yes, or --dry-run to look")
        )
    deletion = deletion_of(paths, name)
    if not arguments.json:
        print("\n".join(_lines(deletion)))
    if arguments.dry_run:
        if arguments.json:
            print(json.dumps({**deletion.as_dict(), "deleted": False}))
        else:
            print("nothing was deleted")
        return 0
    if asks and input(f"delete {name}? [y/N] ").strip().lower() not in {"y", "yes"}:
        print("nothing was deleted")
        return 1
    delete_search(paths, name, force=arguments.force)
    print(json.dumps({**deletion.as_dict(), "deleted": True}) if arguments.json else f"{name} is deleted")
    return 0


def _lines(deletion: Deletion) -> Iterator[str]:
    yield f"study        {deletion.name}, {deletion.trials} trials"
    folder = "no folder in this home" if deletion.folder_bytes is None else str(deletion.folder)
    yield f"folder       {shown_bytes(deletion.folder_bytes)}: {folder}"
    yield f"MLflow runs  {deletion.runs}, their files in this home {shown_bytes(deletion.artifact_bytes)}"
    for address, size in deletion.stored.items():
        yield f"store        {'unknown, it does not answer' if size is None else shown_bytes(size)}: {address}"
    yield f"together     {shown_bytes(deletion.bytes)}"
    for model in deletion.kept:
        yield f"kept         {model}, with its run and files"

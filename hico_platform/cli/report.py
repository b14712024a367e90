"""Write the results of a search, or of several side by side, as one interactive page.

The page is one file that fetches nothing from elsewhere; it can be made while the search runs, and again later. It has
the best configuration and how sure it is, history and learning curves, rungs, parameters, level weights, importance,
cost, all trials, the final comparison with its tests and figures, failures, and how to reproduce the search.

examples:
  hico-platform report level_weights
  hico-platform report level_weights temperature --out both.html
  hico-platform report level_weights --json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from pathlib import Path

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.home_access import follow_home
from hico_platform.names import check_known_name
from hico_platform.writable import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="a search; several are shown side by side")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="where to write it (default: report.html with the first search)"
    )
    parser.add_argument("--force", action="store_true", help="write over FILE.html")
    add_store_options(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the content as JSON, of several searches as a list; write a page only with --out",
    )


def run(arguments: argparse.Namespace) -> int:
    """Collects the results, renders the page and writes it."""
    from hico_platform.commands.report import report_content
    from hico_platform.report.page import render, write_page
    from hico_platform.search.ledger.importance import import_without_forests
    from hico_platform.search.ledger.snapshot import uncollected

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns about a cache in a temporary folder
    paths = home_paths(arguments)
    names = list(dict.fromkeys(arguments.names))
    for name in names:
        check_known_name(name, field="NAME")
    import_without_forests()
    with uncollected():
        contents = [report_content(paths, name, coordinates=arguments.json) for name in names]
    file = arguments.out or paths.search(names[0]) / ("report.html" if len(names) == 1 else "side_by_side.html")
    if arguments.out is not None or not arguments.json:
        check_writable(
            file.parent,
            rule="a folder that this user may write",
            remedy="give a file of your own by --out FILE.html",
        )
        if arguments.out is None:
            follow_home(paths.home)
        # The report in the search's folder is overwritten; a file that the user names is not.
        with uncollected():
            page = render(*contents)
        write_page(page, file, overwrite=arguments.force or arguments.out is None)
    if arguments.json:
        found = [dataclasses.asdict(content) for content in contents]
        print(json.dumps(found[0] if len(found) == 1 else found, default=sorted))
    else:
        print(f"report: {file}")
    return 0

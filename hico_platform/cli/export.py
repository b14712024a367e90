"""Write the trials of a search as a table: a row a trial, or with --curves a row a report.

hico-platform help metrics explains the names of scores. A file that exists is not touched without --force.

examples:
  hico-platform export level_weights --csv trials.csv
  hico-platform export level_weights --parquet trials.parquet
  hico-platform export level_weights --curves --json curves.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.names import check_known_name
from hico_platform.writable import check_writable

_FORMS = ("csv", "json", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", metavar="NAME", help="the search")
    form = parser.add_mutually_exclusive_group(required=True)
    for one in _FORMS:
        form.add_argument(f"--{one}", dest=f"{one}_file", type=Path, metavar="FILE", help=f"write {one.upper()} there")
    parser.add_argument("--curves", action="store_true", help="a row a report, with its scores and losses")
    parser.add_argument("--force", action="store_true", help="replace FILE")
    add_store_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes the table."""
    from hico_platform.commands.export_trials import TableFormat, check_unused, curve_rows, trial_rows, write_table
    from hico_platform.search.status import search_status

    name = check_known_name(arguments.name, field="NAME")
    form, file = next(
        (TableFormat(one), found) for one in _FORMS if (found := getattr(arguments, f"{one}_file")) is not None
    )
    check_unused(file, overwrite=arguments.force)
    check_writable(file.parent, rule="a folder that this user may write", remedy="give a file of your own")
    status = search_status(home_paths(arguments), name)
    rows = curve_rows(status) if arguments.curves else trial_rows(status)
    write_table(rows, file, form=form, overwrite=arguments.force)
    what = "report" if arguments.curves else "trial"
    print(f"{len(rows)} {what}{'' if len(rows) == 1 else 's'}: {file}")
    return 0

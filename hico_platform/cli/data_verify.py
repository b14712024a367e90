"""Check a store's digest and invariants; exit 0 where it is sound, 3 where it is not.

example:
  hico-platform data verify ntu60
"""

from __future__ import annotations

import argparse
import json
import sys

from hico_platform.cli.main import home_of
from hico_platform.cli.terminal import plain
from hico_platform.cli.views.progress_line import ProgressLine
from hico_platform.commands.data import verify_dataset
from hico_platform.data.address import data_address
from hico_platform.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("dir", metavar="DIR", type=data_address, help="the store: a folder, or file://, s3:// or gs://")
    parser.add_argument("--json", action="store_true", help="print the problems as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Verifies the store."""
    problems = verify_dataset(
        arguments.dir, home=home_of(arguments), progress=ProgressLine("verifying", quiet=arguments.quiet)
    )
    if arguments.json:
        print(json.dumps({"sound": not problems, "problems": [problem.as_dict() for problem in problems]}))
        return DataError.exit_code if problems else 0
    for problem in problems:
        print(plain(f"error: {problem}"), file=sys.stderr)
    if not problems:
        print(f"{arguments.dir}: sound")
    return DataError.exit_code if problems else 0

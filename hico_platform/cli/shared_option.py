"""The ``--shared`` option of commands that write to a home: who else may read it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hico_platform.home_access import HomeAccess, follow_home, prepare_home


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Adds the option."""
    parser.add_argument(
        "--shared", action="store_true",
        help="let the group of the home read all of it, now and later (default: a new home is its owner's alone)",
    )  # fmt: skip


def make_home(home: Path, arguments: argparse.Namespace) -> None:
    """Creates the home if needed, sets the umask that it requires, and prints what changes for other accounts."""
    notice = prepare_home(home, shared=arguments.shared)
    if notice is not None:
        print(notice, file=sys.stderr)


def follow_option(home: Path, arguments: argparse.Namespace) -> None:
    """The same for a command that writes only to another folder and creates no home."""
    if arguments.shared:
        os.umask(HomeAccess.GROUP.umask)
    else:
        follow_home(home)

"""The ``--allow-overlap`` option of commands that train: sequences may be both pretrained on and scored."""

from __future__ import annotations

import argparse


def add_allow_overlap(parser: argparse.ArgumentParser) -> None:
    """Adds the option."""
    parser.add_argument(
        "--allow-overlap", action="store_true",
        help="train even where sequences that are scored are also pretrained on; every number then says how many",
    )  # fmt: skip

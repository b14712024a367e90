"""Merge stores into one, to pretrain on several datasets at once; copies of a recording are kept once and named.

Each dataset's protocols become DATASET-PROTOCOL: its own sequences are trained on, validated on and tested as before,
and those of the other datasets join pretraining alone.

examples:
  hico-platform data merge ntu60 pku-mmd-1 --out ntu60_pku
  hico-platform pretrain --config my.yaml --data ntu60_pku --protocol ntu60-xsub
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.main import home_of
from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.data_progress import DataProgress
from hico_platform.commands.data import merge_datasets
from hico_platform.data.address import data_address
from hico_platform.errors import command

_MOST_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("dirs", metavar="DIR", type=data_address, nargs="+", help="the stores, two or more")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the store to make; must not exist")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, with every copy left out")


def run(arguments: argparse.Namespace) -> int:
    """Merges the stores, and reports what was kept and which copies were left out."""
    with DataProgress("merging", quiet=arguments.quiet) as progress:
        merged = merge_datasets(
            arguments.dirs,
            home=home_of(arguments),
            out=arguments.out,
            progress=progress,
            on_phase=progress.phase,
        )
    if arguments.json:
        print(json.dumps({"out": str(arguments.out), **merged.as_dict()}))
        return 0
    for dataset, count in merged.kept.items():
        print(plain_line(f"kept {count:>9,} of {dataset}"))
    for copy in merged.copies[:_MOST_SHOWN]:
        print(plain_line(f"left out {copy}"))
    if len(merged.copies) > _MOST_SHOWN:
        print(f"... and {len(merged.copies) - _MOST_SHOWN:,} more copies; --json names them all")
    print(f"protocols {', '.join(merged.protocols)}")
    print(f"next: {command('data', 'info', arguments.out)}")
    return 0

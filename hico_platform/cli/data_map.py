"""Turn a store of one skeleton layout into a store of another, by the names of joints.

Where the store's layout lacks a joint, a midpoint stands for it (the neck between the shoulders); the joints that
cannot be given are named. `common-15` has the joints that almost every layout gives.

examples:
  hico-platform data map ntu60 --layout kinect-v1 --out ntu60_v1
  hico-platform data map my_coco --layout common-15 --out my_common
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.main import home_of
from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.data_progress import DataProgress
from hico_platform.commands.data import map_dataset
from hico_platform.data.address import data_address
from hico_platform.errors import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("dir", metavar="DIR", type=data_address, help="the store: a folder, or file://, s3:// or gs://")
    parser.add_argument(
        "--layout", required=True, metavar="NAME|FILE", help="the new layout: a name of `data layouts`, or a YAML file"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the store to make; must not exist")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Maps the store, and reports what each joint is made of."""
    with DataProgress("mapping", quiet=arguments.quiet) as progress:
        made = map_dataset(
            arguments.dir,
            layout=arguments.layout,
            home=home_of(arguments),
            out=arguments.out,
            progress=progress,
            on_phase=progress.phase,
        )
    if arguments.json:
        print(json.dumps({"out": str(arguments.out), "joints": made}))
        return 0
    for joint, sources in made.items():
        print(plain_line(f"{joint:<20} {'from' if len(sources) == 1 else 'midpoint of'} {', '.join(sources)}"))
    print(f"next: {command('data', 'info', arguments.out)}")
    return 0

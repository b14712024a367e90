"""Write the embedded dataset, or another generated one, as a store; the same seed gives the same data.

examples:
  hico-platform data synth --out embedded
  hico-platform data synth --preset transfer --seed 7 --out target --write-skeleton target_skeletons
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hico_platform.cli.views.progress_line import ProgressLine
from hico_platform.commands.synth import DEFAULT_PRESET, PRESET_NAMES, synthesise_dataset
from hico_platform.errors import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the store to make; must not exist")
    parser.add_argument(
        "--preset", default=DEFAULT_PRESET, choices=PRESET_NAMES, help="what to generate (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed (default: %(default)s)")
    parser.add_argument(
        "--write-skeleton", type=Path, metavar="DIR", help="also write raw NTU .skeleton files; must not exist"
    )
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Generates the data, and prints what was written."""
    lines: dict[str, ProgressLine] = {}

    def show(what: str, done: int, total: int) -> None:
        lines.setdefault(what, ProgressLine(what, quiet=arguments.quiet))(done, total)

    store = synthesise_dataset(
        preset=arguments.preset,
        seed=arguments.seed,
        out=arguments.out,
        skeleton_files=arguments.write_skeleton,
        progress=show,
    )
    if arguments.json:
        printed = {
            "out": str(arguments.out),
            "preset": arguments.preset,
            "seed": arguments.seed,
            "sequences": len(store),
            "digest": store.digest,
        }
        print(json.dumps(printed))
        return 0
    print(f"{len(store):,} sequences of {len(store.class_names)} classes; digest {store.digest}")
    print(f"next: {command('data', 'info', arguments.out)}")
    return 0

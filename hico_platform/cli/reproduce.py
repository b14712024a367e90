"""Train a trial of a search again, from its record alone, and compare what it reports.

It has the configuration, seed, data, protocol, threads and precision of the record, and ends where the trial ended. On
the same machine with the same packages the numbers are identical; on others they should agree within noise: at most two
standard errors apart. What differs in code, arithmetic, packages, variables or GPUs is named. Interrupted, the same
command goes on.

examples:
  hico-platform reproduce level_weights
  hico-platform reproduce level_weights 7
  hico-platform reproduce mine 3 --data prepared/mine --json
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from hico_platform.cli.shared_option import add_shared, make_home
from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.data.address import data_address

if TYPE_CHECKING:
    from hico_platform.commands.reproduce import Reproduction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("name", metavar="NAME", help="the search")
    parser.add_argument("trial", metavar="TRIAL", type=int, nargs="?", help="the trial's number (default: the best)")
    parser.add_argument("--data", metavar="DIR", type=data_address, help="where its dataset is now, if it was moved")
    add_store_options(parser)
    add_shared(parser)
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Trains, shows the progress and prints both records side by side; 1 where they differ beyond noise."""
    from hico_platform.cli.views.dataset_progress import dataset_progress
    from hico_platform.cli.views.pretrain_view import PretrainView
    from hico_platform.commands.reproduce import Verdict, reproduce, trial_to_reproduce

    paths = home_paths(arguments)
    trial = trial_to_reproduce(paths, arguments.name, arguments.trial)
    make_home(paths.home, arguments)
    view = PretrainView(epochs=trial.epoch, quiet=arguments.json)
    try:
        with view:
            found = reproduce(
                paths,
                name=arguments.name,
                number=trial.number,
                data=None if arguments.data is None else str(arguments.data),
                progress=dataset_progress(),
                told=view.report,
                watch=view.watch,
                within=view.progress,
            )
    except KeyboardInterrupt:
        print(f"interrupted after epoch {view.epoch} of {trial.epoch}; the same command goes on", file=sys.stderr)
        return 130
    if arguments.json:
        print(json.dumps(found.as_dict(), indent=1))
    else:
        _show(found)
    return 1 if found.verdict is Verdict.DIFFERENT else 0


def _show(found: Reproduction) -> None:
    print(f"trial {found.trial} of {found.search}, trained again: {found.verdict}")
    width = max(len(one.name) for one in (*found.reported, *found.downstream))
    print(f"{'epoch':>6}  {'score':<{width}}  {'recorded':>15}  {'now':>7}  difference")
    for one in (*found.reported, *found.downstream):
        error = "" if one.standard_error is None else f" ± {one.standard_error:.3f}"
        recorded = f"{one.was:.4f}{error}"
        print(f"{one.epoch:>6}  {one.name:<{width}}  {recorded:>15}  {one.now:>7.4f}  {one.difference:+.4f}")
    weights = {None: "the recorded ones are gone", True: "identical", False: "different"}[found.weights]
    print(f"weights: {weights}")
    for name, (then, now) in found.conditions.items():
        print(f"not as it was: {name} {then}, now {now}")
    print(f"checkpoint and comparison: {found.directory}")

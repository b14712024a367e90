"""How searches stand, from the ledger alone: while they run or after, from another terminal too.

examples:
  hico-platform status
  hico-platform status level_weights
  hico-platform status level_weights --watch
"""

from __future__ import annotations

import argparse
import json
import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hico_platform.cli.search import add_places, places_of
from hico_platform.cli.search_view import stopped_when, trial_table
from hico_platform.stages.places import Places
from hico_platform.stages.status import SearchStatus, search_status, searches


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a search (default: all of them, a line each)")
    parser.add_argument("--watch", action="store_true", help="show it again and again until it has ended")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between looks (default: 2)")
    add_places(parser)
    parser.add_argument("--json", action="store_true", help="print JSON; with --watch, a line each look")


def run(arguments: argparse.Namespace) -> int:
    """Looks once, or until the end."""
    places = places_of(arguments)
    if arguments.name is None:
        every = searches(places)
        if arguments.json:
            print(json.dumps([status.as_dict() for status in every]))
        else:
            for status in every:
                print(f"{status.search.name:<24} {_headline(status)}")
        return 0
    if arguments.json or not arguments.watch:
        while True:
            status = search_status(places, arguments.name)
            if arguments.json:
                print(json.dumps(status.as_dict()), flush=True)
            else:
                Console().print(_picture(status), soft_wrap=True)
            if not arguments.watch or status.driver is None:
                return 0
            time.sleep(arguments.every)
    return _watch(places, arguments.name, every_s=arguments.every)


def _watch(places: Places, name: str, *, every_s: float) -> int:
    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            status = search_status(places, name)
            live.update(_picture(status), refresh=True)
            if status.driver is None:
                return 0
            time.sleep(every_s)


def _picture(status: SearchStatus) -> Group:
    return Group(
        trial_table(
            status.trials,
            epochs=status.space.base.budget.epochs,
            best=status.best,
            objectives=status.space.settings.objectives,
            front=status.front,
        ),
        Text(f"{status.search.name}: {_headline(status)}", style="bold"),
    )


def _headline(status: SearchStatus) -> str:
    parts = [status.stand, f"{len(status.trials)} of {status.search.limit} trials begun"]
    if status.trials:
        parts.append(stopped_when(status.trials))
    if status.best is not None and status.best.value is not None:
        parts.append(f"best knn_top1 {status.best.value:.3f} (trial {status.best.number})")
    if len(status.space.settings.objectives) > 1:
        parts.append(f"Pareto front (+) of {len(status.front)}")
    if status.seconds_left is not None:
        parts.append(f"about {status.seconds_left / 60:.0f} min left")
    return ", ".join(parts)

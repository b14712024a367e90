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
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hico_platform.cli.places_options import add_places, places_of
from hico_platform.cli.search_view import clock, stopped_when, trial_table
from hico_platform.search.progress import epochs_spent
from hico_platform.stages.status import SearchStatus, SearchWatch, searches

# Lines of a picture besides its trials, and reports that are shown apart.
ROWS_BESIDE, MOST_RUNGS = 7, 8


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
    watch = SearchWatch(places, arguments.name)
    if arguments.watch:
        _watch(watch, every_s=arguments.every, as_json=arguments.json)
    elif arguments.json:
        print(json.dumps(watch.look().as_dict()))
    else:
        Console().print(_picture(watch.look()), soft_wrap=True)
    return 0


def _watch(watch: SearchWatch, *, every_s: float, as_json: bool) -> None:
    """A picture on a terminal; in a pipe, a line for each look (JSON) or each change."""
    console = Console()
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False) as live:
            for status in _looks(watch, every_s=every_s):
                live.update(_picture(status, rows=max(4, console.height - ROWS_BESIDE)), refresh=True)
        return
    shown = ""
    for status in _looks(watch, every_s=every_s):
        line = json.dumps(status.as_dict()) if as_json else f"{status.search.name}: {_headline(status)}"
        if as_json or line != shown:
            print(line, flush=True)
            shown = line


def _looks(watch: SearchWatch, *, every_s: float) -> Iterator[SearchStatus]:
    """A look every so many seconds, the last one when no driver is left."""
    while True:
        status = watch.look()
        yield status
        if status.driver is None:
            return
        time.sleep(every_s)


def _picture(status: SearchStatus, *, rows: int | None = None) -> Group:
    """The trials (those at work and the latest, where there are more than ``rows``), the rungs, and where it stands."""
    trials = status.trials
    if rows is not None and len(trials) > rows:
        latest = sorted(trials, key=lambda trial: (not trial.state.is_final, trial.number))[-rows:]
        trials = tuple(sorted(latest, key=lambda trial: trial.number))
    hidden = len(status.trials) - len(trials)
    table = trial_table(
        trials,
        epochs=status.space.base.budget.epochs,
        best=status.best,
        objectives=status.space.settings.objectives,
        front=status.front,
    )
    lines: list[Table | Text] = [table]
    if hidden:
        lines.insert(0, Text(f"{hidden} earlier trials are not shown", style="dim"))
    return Group(
        *lines,
        Text(f"reports: {_rungs(status)}" if status.rungs else "no reports yet"),
        Text(f"cost: {_cost(status)}"),
        Text(f"{status.search.name}: {_headline(status)}", style="bold"),
    )


def _rungs(status: SearchStatus) -> str:
    rungs = list(status.rungs.items())
    shown = rungs if len(rungs) <= MOST_RUNGS else [*rungs[: MOST_RUNGS - 1], rungs[-1]]
    return "; ".join(
        f"epoch {epoch}: {rung.reached} came, {rung.stopped} stopped, best {rung.best:.3f}" for epoch, rung in shown
    )


def _cost(status: SearchStatus) -> str:
    cost = status.cost
    parts = [f"{epochs_spent(status.trials)} epochs", f"{cost.cpu_hours:.2f} CPU-hours"]
    if status.gpus:
        parts.append(f"{cost.gpu_hours:.2f} GPU-hours ({status.gpus:g} GPU a trial)")
    return ", ".join(parts)


def _headline(status: SearchStatus) -> str:
    parts = [status.stand, f"{len(status.trials)} of {status.search.limit} trials begun"]
    if status.trials:
        parts.append(stopped_when(status.trials))
    if status.best is not None and status.best.value is not None:
        parts.append(f"best knn_top1 {status.best.value:.3f} (trial {status.best.number}, epoch {status.best.epoch})")
    if len(status.space.settings.objectives) > 1:
        parts.append(f"Pareto front (+) of {len(status.front)}")
    if status.seconds_left is not None:
        parts.append(f"ETA {clock(status.seconds_left)}")
    if status.ended_by:
        parts.append(f"ended by: {status.ended_by}")
    return ", ".join(parts)

"""The state of searches, from the ledger alone: while they run or after, from another terminal too.

In a pipe a trial is one line, whole, and without colour unless FORCE_COLOR is set.

examples:
  hico-platform status
  hico-platform status level_weights
  hico-platform status level_weights --watch
  hico-platform status level_weights | grep complete
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from hico_platform.cli.store_options import add_store_options, home_paths
from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.clock import clock
from hico_platform.cli.views.console import console_on, is_screen
from hico_platform.cli.views.search_picture import SearchPicture
from hico_platform.cli.views.steering_view import steering_lines
from hico_platform.names import check_known_name
from hico_platform.search.drivers import DriverRecord, clock_time, starter
from hico_platform.search.eta import epochs_spent
from hico_platform.search.status import SearchStatus, SearchWatch, searches

MOST_RUNGS = 8
"""The most report epochs that are shown one by one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a search (default: all of them, a line each)")
    parser.add_argument("--watch", action="store_true", help="show it again and again until it has ended")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between looks (default: 2)")
    add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON; with --watch, a line each look")


def run(arguments: argparse.Namespace) -> int:
    """Shows the state once, or until the search ends."""
    paths = home_paths(arguments)
    if arguments.name is None:
        every = searches(paths)
        if arguments.json:
            print(json.dumps([one.as_dict() for one in every]))
        else:
            for one in every:
                line = _headline(one) if isinstance(one, SearchStatus) else f"{one.name}: {one.reason}"
                print(plain_line(line))  # other accounts write names in a shared database
        return 0
    from hico_platform.search.ledger.snapshot import uncollected

    name = check_known_name(arguments.name, field="NAME")
    if arguments.watch:
        _watch(SearchWatch(paths, name), every_s=arguments.every, as_json=arguments.json)
        return 0
    with uncollected():
        status = SearchWatch(paths, name).look()
        if arguments.json:
            print(json.dumps(status.as_dict()))
        else:
            _print(_picture(status))
    return 0


def _print(picture: SearchPicture) -> None:
    """Prints everything, one line a trial, with colours on a terminal."""
    console = console_on(sys.stdout)
    if console.color_system is None and not console.is_terminal:  # of thousands of trials, in a tenth of the time
        console.file.writelines(f"{line}\n" for line in picture.plain())
        return
    console.print(Text("\n").join(picture.whole()), soft_wrap=True, highlight=False)


def _watch(watch: SearchWatch, *, every_s: float, as_json: bool) -> None:
    """Updates a display on a terminal; in a pipe, prints a line for each poll (JSON) or each change."""
    console = console_on(sys.stdout)
    if is_screen(console) and not as_json:
        with Live(console=console, auto_refresh=False) as live:
            for status in _polls(watch, every_s=every_s):
                live.update(_picture(status), refresh=True)
            live.update(Group(*_picture(status).whole()))  # drawn one last time, with all trials
        return
    shown = ""
    for status in _polls(watch, every_s=every_s):
        line = json.dumps(status.as_dict()) if as_json else _picture(status).headline
        if as_json or line != shown:
            print(line, flush=True)
            shown = line


def _polls(watch: SearchWatch, *, every_s: float) -> Iterator[SearchStatus]:
    """The state every ``every_s`` seconds, the last time when no driver is running."""
    while True:
        status = watch.look()
        yield status
        if status.driver is None:
            return
        time.sleep(every_s)


def _picture(status: SearchStatus) -> SearchPicture:
    """The display of a search, with its reports by epoch and its cost."""
    return SearchPicture(
        name=status.search.name,
        progress=status.progress,
        trials=status.trials,
        epochs=status.space.base.budget.epochs,
        best=status.best,
        has_driver=status.driver is not None,
        objectives=status.space.settings.objectives,
        front=status.front,
        left_s=status.seconds_left,
        ended_by=status.ended_by,
        notes=(
            f"reports: {_rungs(status)}" if status.rungs else "no reports yet",
            *_without_report(status),
            f"cost: {_cost(status)}",
            *_driver_lines(status.drivers),
            *steering_lines(status),
            *(f"excluded: {plain_line(_machine(machine))}" for machine in status.machines_left_out),
        ),
    )


def _headline(status: SearchStatus) -> str:
    headline = _picture(status).headline
    return headline if status.owner is None else f"{headline}, run by {status.owner}"


def _driver_lines(drivers: Sequence[DriverRecord]) -> Iterator[str]:
    """The processes that began the search and last resumed it."""
    first = starter(drivers)
    if first is not None:
        yield f"begun by {_process(first)}"
    if drivers and drivers[-1] is not first:
        last = drivers[-1]
        from_whom = "" if last.took_over_from is None else f", taken over from {last.took_over_from}"
        yield f"resumed by {_process(last, more=from_whom)}"


def _process(driver: DriverRecord, *, more: str = "") -> str:
    where = f"{driver.user} on {driver.host} at {clock_time(driver.began_at_s)} (process {driver.pid})"
    return f"{where}{more}: {driver.command}"


def _machine(machine: Mapping[str, Any]) -> str:
    trials = ", ".join(str(number) for number in machine["trials"])
    return f"{machine['host']}, on which trials {trials} failed that went on elsewhere ({machine['reason']})"


def _rungs(status: SearchStatus) -> str:
    rungs = list(status.rungs.items())
    shown = rungs if len(rungs) <= MOST_RUNGS else [*rungs[: MOST_RUNGS - 1], rungs[-1]]
    return "; ".join(
        f"epoch {epoch}: {rung.reached} came, {rung.stopped} stopped, best {rung.best:.3f}" for epoch, rung in shown
    )


def _without_report(status: SearchStatus) -> Iterator[str]:
    """What is known of trials that have not reported: the ledger has no epoch of them, but since when they run."""
    waiting = list(status.without_report.items())
    if not waiting:
        return
    shown = ", ".join(f"trial {number} for {clock(seconds)}" for number, seconds in waiting[:MOST_RUNGS])
    more = f" and {len(waiting) - MOST_RUNGS} more" if len(waiting) > MOST_RUNGS else ""
    first = min(status.report_epochs, default=None)
    when = "" if first is None else f"; a trial first reports at epoch {first}"
    yield f"at work, no report yet: {shown}{more}{when}"


def _cost(status: SearchStatus) -> str:
    cost = status.cost
    parts = [f"{epochs_spent(status.trials)} epochs", f"{cost.cpu_hours:.2f} CPU-hours"]
    if status.gpus:
        parts.append(f"{cost.gpu_hours:.2f} GPU-hours ({status.gpus:g} GPU a trial)")
    return ", ".join(parts)

"""Searches side by side as lines of text: bests with intervals, and curves at equal cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from hico_platform.amounts import shown_duration
from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.search_picture import shown_score, shown_values
from hico_platform.cli.views.sparkline import sparkline
from hico_platform.commands.compare_searches import ComparedSearch, Comparison

_SHARES = (0.25, 0.5, 0.75, 1.0)
_GAP = "  "


def compare_lines(comparison: Comparison, *, ascii_only: bool = False) -> Iterator[str]:
    """Warnings first, then a table of the bests, a table of the scores at equal cost, and the parameters."""
    for difference in comparison.differences:
        yield f"warning: these numbers are not comparable: {plain_line(difference)}"
    yield from _table(
        ["search", "state", "best", "95 % interval", "trial", "epoch", "trials", "trial time", "GPU-hours"],
        [_row(one) for one in comparison.searches],
    )
    if comparison.costs:
        count = len(comparison.costs)
        columns = [comparison.costs[round(share * count) - 1] for share in _SHARES]
        yield ""
        yield "best complete trial at equal cost (seconds of trials, up to what the cheapest search took):"
        yield from _table(
            ["search", *(shown_duration(cost) for cost in columns), "curve"],
            [
                [
                    plain_line(one.status.search.name),
                    *(_shown(one.best_at(cost)) for cost in columns),
                    _curve(one, comparison, ascii_only=ascii_only),
                ]
                for one in comparison.searches
            ],
        )
    yield ""
    for one in comparison.searches:
        best = one.status.best
        if best is not None:
            yield f"{plain_line(one.status.search.name)}: {plain_line(shown_values(best.values))}"


def _row(one: ComparedSearch) -> list[str]:
    status, best, interval = one.status, one.status.best, one.interval
    known = best is not None and best.value is not None
    return [
        plain_line(status.search.name),
        str(status.state),
        f"{status.space.settings.objectives[0]} {shown_score(best.value, best.standard_error)}"
        if best is not None and best.value is not None
        else "-",
        "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}",
        str(best.number) if known and best is not None else "-",
        str(best.epoch) if known and best is not None else "-",
        f"{status.progress.ended}/{status.search.limit}",
        shown_duration(one.trial_seconds),
        f"{status.cost.gpu_hours:.2f}" if status.gpus else "-",
    ]


def _curve(one: ComparedSearch, comparison: Comparison, *, ascii_only: bool) -> str:
    """On one scale for all searches, so that heights can be compared by eye; a space before any complete trial."""
    reached = (each.best_at(cost) for each in comparison.searches for cost in comparison.costs)
    every = [score for score in reached if score is not None]
    if not every:
        return ""
    own = [one.best_at(cost) for cost in comparison.costs]
    marked = [math.nan if score is None else score for score in own]
    line = sparkline(marked, ascii_only=ascii_only, bounds=(min(every), max(every)))
    return "".join(" " if score is None else block for score, block in zip(own, line, strict=True))


def _shown(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(heading), *(len(row[column]) for row in rows)) for column, heading in enumerate(headings)]
    for cells in (headings, *rows):
        yield _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

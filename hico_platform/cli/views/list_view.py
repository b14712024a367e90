"""A list of searches as a table: a line each, cut to the width of a terminal, whole in a pipe."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.text import Text

from hico_platform.amounts import shown_bytes, shown_duration
from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.search_picture import shown_score
from hico_platform.search.listing import ListedSearch

_HEADINGS = (
    "name",
    "who",
    "state",
    "trials",
    "best",
    "trial time",
    "GPU-hours",
    "disk",
    "started",
    "age",
    "tags",
    "note",
)
_TO_THE_RIGHT = {"trials", "trial time", "GPU-hours", "disk", "age"}
_MAY_BE_EMPTY = {"GPU-hours", "tags", "note"}
_GAP = "  "
_STYLES = {
    "running": "cyan",
    "paused": "yellow",
    "finished": "green",
    "interrupted": "magenta",
    "failed": "red",
    "unreadable": "red",
    "archived": "dim",
}


def list_lines(searches: Sequence[ListedSearch], *, now_s: float) -> list[Text]:
    """A heading and a line a search; columns in which nothing stands are left out."""
    rows = [_cells(one, now_s=now_s) for one in searches]
    shown = [
        column
        for column, heading in enumerate(_HEADINGS)
        if heading not in _MAY_BE_EMPTY or any(row[column] for row in rows)
    ]
    widths = {column: max(len(_HEADINGS[column]), *(len(row[column]) for row in rows)) for column in shown}

    def line(cells: Sequence[str], *, style: str = "", state: str | None = None) -> Text:
        text = Text(style=style, no_wrap=True, overflow="ellipsis")
        for place, column in enumerate(shown):
            cell, width = cells[column], widths[column]
            text.append(_GAP if place else "")
            justified = cell.rjust(width) if _HEADINGS[column] in _TO_THE_RIGHT else cell.ljust(width)
            text.append(justified, _STYLES.get(state or "") if _HEADINGS[column] == "state" else None)
        text.rstrip()
        return text

    return [line(_HEADINGS, style="dim"), *(line(row, state=one.word) for one, row in zip(searches, rows, strict=True))]


def _disk(one: ListedSearch) -> str:
    """Its folder, and what lies in stores of checkpoints."""
    home = shown_bytes(one.bytes_on_disk)
    return home if one.stored_bytes == 0 else f"{home} + {shown_bytes(one.stored_bytes).replace('-', '?')} stored"


def _cells(one: ListedSearch, *, now_s: float) -> list[str]:
    if one.problem is not None:
        return [plain_line(one.name), "-", one.word, *["-"] * 3, "", *["-"] * 3, "", plain_line(one.problem)]
    best = "-"
    if one.best is not None:
        best = f"{one.signal} {shown_score(one.best, one.standard_error)} (trial {one.best_trial})"
    return [
        plain_line(one.name),
        plain_line(one.owner or "-"),
        one.word,
        f"{one.ended}/{one.limit}",
        best,
        shown_duration(one.trial_seconds),
        f"{one.gpu_hours:.2f}" if one.gpu_hours else "",
        _disk(one),
        time.strftime("%Y-%m-%d %H:%M", time.localtime(one.began_at_s)),
        shown_duration(now_s - one.began_at_s),
        ", ".join(one.tags),
        plain_line(one.note or ""),
    ]

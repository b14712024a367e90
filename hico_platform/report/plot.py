"""What the page's plots are made of: plain values in Plotly's schema, with a sentence and a table beside each.

Colours are names of the page's CSS variables, ``var(--NAME)``, which its script replaces: a plot follows the light and
the dark theme. Plots use no WebGL, whose code Plotly compiles at run time, which the page's security policy forbids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hico_platform.report.content import ReportContent
from hico_platform.report.picture import COLOURS

INK, SOFT, GRID, BEST, MUTED = "var(--ink)", "var(--soft)", "var(--line)", "var(--best)", "var(--muted)"
PALETTE = (*COLOURS[:-1], SOFT)
"""Okabe and Ito's; their black would vanish in the dark theme."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x")
STATE_COLOURS = {
    "complete": "var(--complete)",
    "pruned": "var(--stopped)",
    "failed": "var(--failed)",
    "running": "var(--running)",
    "interrupted": "var(--interrupted)",
}
SCALE = "Viridis"
"""Of scores: even in brightness, and told apart by colour-blind readers."""

Trace = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: headings with ``text`` for the columns that are words, and rows of what cells say."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: frozenset[int] = frozenset({0})


@dataclass(frozen=True, kw_only=True)
class View:
    """Another horizontal axis of a plot: ``x`` of each trace, and the title."""

    name: str
    title: str
    x: Sequence[Sequence[Any]]
    shapes: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot of the page.

    Args:
        name: unique on the page.
        label: what a screen reader calls it.
        sentence: what it shows, in plain words.
        data: traces of Plotly's schema; for a plot that the script composes, see ``kind``.
        layout: of Plotly's schema.
        height: in pixels.
        views: other horizontal axes; the first is the one that is drawn.
        table: its numbers as text; None where the table of trials has them.
        kind: ``plotly``, or the name of what the page's script composes from ``data``.
        least_width: in pixels; in a narrower window it scrolls.
    """

    name: str
    label: str
    sentence: str
    data: Any
    layout: Mapping[str, Any] = field(default_factory=dict)
    height: int = 360
    views: Sequence[View] = ()
    table: Table | None = None
    kind: str = "plotly"
    least_width: int = 0

    @property
    def plain(self) -> dict[str, Any]:
        """What the page's script is given."""
        views = [
            {"name": one.name, "title": one.title, "x": one.x, **({"shapes": one.shapes} if one.shapes else {})}
            for one in self.views
        ]
        return {"kind": self.kind, "data": self.data, "layout": self.layout, "views": views}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title; further properties as Plotly names them, with ``_`` for nothing else."""
    return {"title": {"text": title}, "automargin": True, **more}


def percent(value: float | None, *, digits: int = 1) -> str:
    """A score as tables show it, in per cent; empty where there is none."""
    return "" if value is None else f"{100 * value:.{digits}f}"


def points(values: Sequence[float | None]) -> list[float | None]:
    """Scores in per cent, as plots have them."""
    return [None if value is None else round(100 * value, 4) for value in values]


def line_mode(count: int) -> str:
    """How a line of so many points is drawn: a single one has no length, and is a marker."""
    return "lines" if count > 1 else "lines+markers"


def labels(content: ReportContent) -> dict[str, str]:
    """By field its short name, as the space file says it; weights by the group and the level."""
    groups = {
        name: f"{group.rpartition('.')[2].removesuffix('s').replace('_', ' ')}: {name.rpartition('.')[2]}"
        for group, names in content.simplexes.items()
        for name in names
    }
    short = {name: groups.get(name, name.rpartition(".")[2]) for name in content.parameters}
    found = list(short.values())
    return {name: word if found.count(word) == 1 else name for name, word in short.items()}


def number(value: object) -> str:
    """A parameter's value as people read it."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.3g}"


def marker_size(count: int, usual: int) -> int:
    """The size of ``count`` points in pixels: smaller where many would lie over one another."""
    return usual if count <= 150 else max(4, usual // 2)


def is_number(value: object) -> bool:
    """Whether a value lies on a scale of numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Scores along something that is made harder: the share of labels, and what of a sequence is occluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hico_platform.evaluate.headings import OCCLUSION, SEMI, method
from hico_platform.report.picture import COLOURS, MARKERS, picture, plain, png

_DASHES = ("-", "--", ":", "-.")
_APART = 0.012
"""Lines are shifted by this share of the axis, so that their intervals lie beside one another."""


class Ends(Protocol):
    """An interval's two ends."""

    @property
    def low(self) -> float:
        """The lower one."""

    @property
    def high(self) -> float:
        """The upper one."""


Points = dict[float, tuple[float, Ends | None]]
"""Scores with their intervals, by what the line runs along."""


@dataclass(frozen=True, kw_only=True)
class EntryScores:
    """The scores of an entry by name, and the intervals of those that have one."""

    values: Mapping[str, float]
    intervals: Mapping[str, Ends]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a panel, of an entry under a method: at each ``x`` a score from 0 to 1, with its interval if any."""

    entry: str
    by: str
    points: Mapping[float, tuple[float, Ends | None]]

    @property
    def label(self) -> str:
        """What a legend calls it."""
        return f"{self.entry}, {self.by}"


def semi_supervised_lines(entries: Mapping[str, EntryScores]) -> dict[str, list[Line]]:
    """Accuracy by per cent of labels, by how the labels were drawn; empty where nothing was scored so."""
    found: dict[str, dict[tuple[str, str], Points]] = {}
    for entry, scores in entries.items():
        for name, value in scores.values.items():
            if match := SEMI.fullmatch(name):
                draw, percent, learner = match.groups()
                lines = found.setdefault(f"labels drawn {draw.replace('_', ' ')}", {})
                points = lines.setdefault((entry, method(learner)), {})
                points[float(percent)] = value, scores.intervals.get(name)
    return _panels(found)


def occlusion_lines(entries: Mapping[str, EntryScores]) -> dict[str, list[Line]]:
    """Accuracy by missing body parts, and by per cent of missing frames; whole sequences are at 0 of both."""
    panels = {"parts": "missing parts of the body", "frames": "missing frames, %"}
    found: dict[str, dict[tuple[str, str], Points]] = {}
    for entry, scores in entries.items():
        for name, value in scores.values.items():
            if match := OCCLUSION.fullmatch(name):
                kind, amount, by = match.groups()
                for panel in panels.values() if kind == "clean" else [panels[kind]]:
                    points = found.setdefault(panel, {}).setdefault((entry, method(by)), {})
                    points[float(amount or 0)] = value, scores.intervals.get(name)
    return _panels(found)


def draw_semi_supervised(entries: Mapping[str, EntryScores], *, title: str) -> bytes | None:
    """A PNG of accuracy against the share of labels; None where no score tells it."""
    panels = semi_supervised_lines(entries)
    return _draw(panels, title=title, xlabel="labels, % of the training sequences")


def draw_occlusion(entries: Mapping[str, EntryScores], *, title: str) -> bytes | None:
    """A PNG of accuracy against what is missing of a sequence; None where no score tells it."""
    return _draw(occlusion_lines(entries), title=title)


def _panels(found: Mapping[str, Mapping[tuple[str, str], Points]]) -> dict[str, list[Line]]:
    return {
        panel: [Line(entry=entry, by=by, points=dict(sorted(points.items()))) for (entry, by), points in lines.items()]
        for panel, lines in found.items()
    }


def _draw(panels: Mapping[str, Sequence[Line]], *, title: str, xlabel: str | None = None) -> bytes | None:
    if not panels:
        return None
    figure = picture(height_inches=5.5)
    figure.suptitle(plain(title), fontsize=12)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    every = [line for lines in panels.values() for line in lines]
    labels = list(dict.fromkeys(line.label for line in every))
    entries = list(dict.fromkeys(line.entry for line in every))
    methods = list(dict.fromkeys(line.by for line in every))
    for axis, (panel, lines) in zip(axes, panels.items(), strict=True):
        styles = {line.label: _style(entries.index(line.entry), methods.index(line.by)) for line in lines}
        _panel(axis, lines, labels, every if xlabel else lines, styles)
        axis.set_xlabel(xlabel or panel)
        if xlabel is not None:
            axis.set_title(panel, fontsize=11)
    axes[0].set_ylabel("top-1 accuracy, %, with 95 % intervals")
    handles: dict[str, Any] = {}
    for axis in axes:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, fontsize=10, frameon=False)
    return png(figure)


def _style(entry: int, by: int) -> dict[str, Any]:
    """An entry has a colour and a marker, a method a dash."""
    return {
        "color": COLOURS[entry % len(COLOURS)],
        "marker": MARKERS[entry % len(MARKERS)],
        "linestyle": _DASHES[by % len(_DASHES)],
    }


def _panel(
    axis: Any,
    lines: Sequence[Line],
    labels: Sequence[str],
    of: Sequence[Line],
    styles: Mapping[str, Mapping[str, Any]],
) -> None:
    """Draws one panel, whose axis has all the amounts that there are in ``of``."""
    # Equal steps between the amounts that were chosen: 1 and 5 % would lie over one another on a scale to 20 %.
    at = {x: number for number, x in enumerate(sorted({x for line in of for x in line.points}))}
    width = max(at.values()) or 1
    for line in lines:
        number = labels.index(line.label)
        shift = (number - (len(labels) - 1) / 2) * _APART * width
        places = [at[x] + shift for x in line.points]
        values = [100 * value for value, _ in line.points.values()]
        low = [100 * (value - one.low) if one else 0.0 for value, one in line.points.values()]
        high = [100 * (one.high - value) if one else 0.0 for value, one in line.points.values()]
        axis.errorbar(
            places,
            values,
            yerr=[[max(0.0, one) for one in low], [max(0.0, one) for one in high]],
            **styles[line.label],
            capsize=3,
            linewidth=1.6,
            label=plain(line.label),
        )
    axis.set_xticks(list(at.values()), [f"{x:g}" for x in at])
    axis.set_xlim(-0.12 * width, 1.12 * width)
    axis.grid(axis="y", color="#E3E3E3")
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)

"""Plots of a search, as SVG elements of a page."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hico_platform.report.content import Importance, ReportContent, ReportedTrial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATE_COLOURS = {
    "complete": "#1a7f4b",
    "pruned": "#c98a00",
    "failed": "#b3261e",
    "running": "#2563a8",
    "interrupted": "#6b7280",
}
_BEST, _GREY = "#111111", "#8a8f98"


def learning_curves(content: ReportContent) -> str | None:
    """The validation score by epoch, a line a trial, with the rungs."""
    shown = [trial for trial in content.trials if trial.curve]
    if not shown:
        return None
    figure, axis = _figure(7.2, 3.6)
    for rung in content.rungs:
        axis.axvline(rung, color="#d9dce1", linewidth=0.8, zorder=0)
    for trial in shown:
        best = trial.number == content.best
        axis.plot(
            list(trial.curve),
            [100 * value for value in trial.curve.values()],
            color=_BEST if best else STATE_COLOURS.get(trial.state, _GREY),
            linewidth=2.2 if best else 1.0,
            alpha=1.0 if best else 0.75,
            marker="o",
            markersize=4 if best else 3,
            zorder=3 if best else 2,
        )
    axis.set_xlabel("epoch")
    axis.set_ylabel(f"validation {content.score}, %")
    _legend(axis, shown, best=content.best)
    return _svg(figure)


def best_so_far(content: ReportContent) -> str | None:
    """The best validation score of any report against the epochs spent, trial after trial."""
    spent, best = 0, 0.0
    xs, ys = [0.0], [math.nan]
    for trial in content.trials:
        before = 0
        for epoch, value in trial.curve.items():
            spent += epoch - before
            before = epoch
            best = max(best, value)
            xs.append(spent)
            ys.append(100 * best)
    if spent == 0:
        return None
    figure, axis = _figure(7.2, 2.8)
    axis.step(xs, ys, where="post", color=_BEST, linewidth=1.6)
    axis.set_xlabel("epochs spent, trials in the order in which they began")
    axis.set_ylabel(f"best {content.score}, %")
    return _svg(figure)


def parameters(content: ReportContent) -> str | None:
    """Each searched field against the last reported score; hollow where a trial was stopped early."""
    scored = [trial for trial in content.trials if trial.value is not None]
    names = [name for name in content.parameters if len({str(trial.values.get(name)) for trial in scored}) > 1]
    if not names:
        return None
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.6 * columns + 0.4, 2.3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axis, name in zip(axes, names, strict=False):
        _parameter(axis, [trial for trial in scored if name in trial.values], name, log=name in content.log_parameters)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel(f"{content.score}, %")
    return _svg(figure)


def importance(found: Importance | None) -> str | None:
    """How much of the spread of scores each field explains."""
    if found is None or not found.shares:
        return None
    ordered = sorted(found.shares.items(), key=lambda item: item[1])
    figure, axis = _figure(7.2, 0.6 + 0.3 * len(ordered))
    axis.barh([_short(name) for name, _ in ordered], [100 * share for _, share in ordered], color="#2563a8")
    axis.set_xlabel("share of the importance, %")
    return _svg(figure)


def _parameter(axis: Any, trials: Sequence[ReportedTrial], name: str, *, log: bool) -> None:
    values = [trial.values[name] for trial in trials]
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        positions: list[float] = [float(value) for value in numbers]
        if log:
            _log_scale(axis)
    else:
        labels = sorted({str(value) for value in values})
        positions = [float(labels.index(str(value))) for value in values]
        axis.set_xticks(range(len(labels)), labels)
        axis.margins(x=0.2)
    for trial, position in zip(trials, positions, strict=True):
        colour = STATE_COLOURS.get(trial.state, _GREY)
        axis.scatter(
            position,
            100 * (trial.value or 0.0),
            s=22,
            color=colour if trial.state == "complete" else "none",
            edgecolor=colour,
        )
    axis.set_title(_short(name), fontsize=9)


def _log_scale(axis: Any) -> None:
    """Ticks at 1, 2 and 5 of each decade, as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=6))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _short(name: str) -> str:
    """The last two parts of a field's name."""
    return ".".join(name.split(".")[-2:])


def _legend(axis: Any, trials: Sequence[ReportedTrial], *, best: int | None) -> None:
    from matplotlib.lines import Line2D

    states = {trial.state: trial.word for trial in trials}
    handles = [
        Line2D([], [], color=STATE_COLOURS.get(state, _GREY), marker="o", markersize=3, label=word)
        for state, word in states.items()
    ]
    if best is not None:
        handles.append(Line2D([], [], color=_BEST, linewidth=2.2, marker="o", markersize=4, label=f"best: {best}"))
    axis.legend(handles=handles, frameon=False, fontsize=8, loc="best")


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axis = figure.subplots()
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    return figure, axis


def _svg(figure: Figure) -> str:
    """The figure's ``<svg>`` element; text stays text, and the same figure gives the same characters."""
    import matplotlib as mpl

    with io.StringIO() as stream, mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hico", "font.size": 9}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        text = stream.getvalue()
    return text[text.index("<svg") :]

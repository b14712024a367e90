"""Each parameter, and any two of them, against the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import Plot, axis, is_number, labels, marker_size, points
from hico_platform.report.search_plots.importance import by_importance
from hico_platform.report.search_plots.scored import best_on_top, log_ticks, scored_markers


def slices(content: ReportContent, *, prefix: str = "") -> list[Plot]:
    """Each parameter against the last score, the most important first."""
    shown = [trial for trial in content.trials if trial.value is not None]
    names = labels(content)
    return [
        _slice(content, [trial for trial in shown if field in trial.values], field, names[field], prefix=prefix)
        for field in by_importance(content)
    ]


def _slice(content: ReportContent, shown: Sequence[ReportedTrial], field: str, label: str, *, prefix: str) -> Plot:
    traces = []
    numeric = all(is_number(trial.values[field]) for trial in shown)
    kinds = (("stopped or not yet done", False, "circle-open"), ("complete", True, "circle"))
    for word, whole, symbol in kinds:
        those = [trial for trial in shown if trial.is_complete is whole]
        if those:
            traces.append(
                {
                    "type": "scatter",
                    "name": word,
                    "x": [_plotted(trial.values[field], numeric=numeric) for trial in those],
                    "y": points([trial.value for trial in those]),
                    "customdata": [trial.number for trial in those],
                    "mode": "markers",
                    "hovertemplate": f"trial %{{customdata}}: {label} %{{x}}, %{{y:.1f}} %<extra></extra>",
                    "marker": {
                        "symbol": symbol,
                        "size": marker_size(len(shown), 8),
                        "color": "var(--complete)" if whole else "var(--stopped)",
                        "line": {"width": 1.5 if len(shown) <= 150 else 1},
                    },
                }
            )
    values = {str(trial.values[field]) for trial in shown}
    few = len(values) <= 8 and not any(isinstance(trial.values[field], float) for trial in shown)
    scale: dict[str, Any] = {"type": "category", "categoryorder": "category ascending"} if not numeric else {}
    if numeric and field in content.log_parameters:
        scale = {"type": "log", **log_ticks([float(str(trial.values[field])) for trial in shown])}
    elif numeric and few:
        ordered = sorted({float(str(trial.values[field])) for trial in shown})
        scale = {"type": "category", "categoryorder": "array", "categoryarray": [f"{one:g}" for one in ordered]}
        for trace in traces:
            trace["x"] = [f"{float(str(one)):g}" for one in trace["x"]]
    return Plot(
        name=f"{prefix}slice-{field.replace('.', '-')}",
        label=f"{label} against the score",
        sentence=field,
        data=traces,
        layout={
            "xaxis": axis(label, **scale),
            "yaxis": axis("score, %"),  # which one is said above: its name may be longer than the plot is high
            "showlegend": False,
            "margin": {"l": 50, "r": 12, "t": 8, "b": 44},
            "hovermode": "closest",
        },
        height=250,
    )


def interactions(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """Any two parameters against each other, coloured by score; the reader chooses them on the page."""
    fields = by_importance(content)
    shown = best_on_top(content)
    if len(fields) < 2 or len(shown) < 2:
        return None
    names = labels(content)
    columns = []
    for field in fields:
        values = [trial.values.get(field) for trial in shown]
        there = [value for value in values if value is not None]
        numeric = all(is_number(value) for value in there)
        kind = "category" if not numeric else "log" if field in content.log_parameters else "linear"
        plotted = [None if value is None else _plotted(value, numeric=numeric) for value in values]
        ticks = log_ticks([float(str(value)) for value in there]) if kind == "log" else {}
        columns.append({"label": names[field], "values": plotted, "type": kind, "axis": ticks})
    return Plot(
        name=f"{prefix}pairs",
        label="Two parameters and the score",
        sentence=f"Two parameters against each other; the colour is the last {content.score}, circles were trained for "
        "the whole budget, diamonds were not, and the best has a ring. Where the colour changes along a diagonal, the "
        "two interact.",
        data={
            "columns": columns,
            "trial": [trial.number for trial in shown],
            "marker": scored_markers(content, shown, marker_size(len(shown), 11)),
        },
        height=440,
        kind="pairs",
    )


def _plotted(value: object, *, numeric: bool) -> Any:
    return (round(value, 6) if isinstance(value, float) else value) if numeric else str(value)

"""Weights that sum to one, on the faces of their simplex, or in pairs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import Plot, axis, marker_size, number, percent
from hico_platform.report.search_plots.scored import best_on_top, scored_markers


def weights(content: ReportContent, *, prefix: str = "") -> list[Plot]:
    """Each simplex of weights: faces for three or four weights, pairs for others."""
    plots: list[Plot] = []
    for group, fields in content.simplexes.items():
        shown = [trial for trial in best_on_top(content) if all(field in trial.values for field in fields)]
        if len(shown) < 2:
            continue
        for place, chosen in enumerate(itertools.combinations(fields, 3 if len(fields) in (3, 4) else 2)):
            left = [field for field in fields if field not in chosen]
            plots.append(
                _face(content, shown, chosen, left, name=f"{prefix}{group.replace('.', '-')}-{place}")
                if len(chosen) == 3
                else _pair(content, shown, chosen, name=f"{prefix}{group.replace('.', '-')}-{place}")
            )
    return plots


def _face(
    content: ReportContent,
    shown: Sequence[ReportedTrial],
    chosen: Sequence[str],
    left: Sequence[str],
    *,
    name: str,
) -> Plot:
    parts = [field.rpartition(".")[2] for field in chosen]
    total = sum(float(str(shown[0].values[field])) for field in (*chosen, *left))
    texts = [_weights_text(trial, [*chosen, *left]) for trial in shown]
    sides = {
        axis_name: {"title": {"text": part}, "min": 0, "tickvals": [0.25, 0.5, 0.75], "tickformat": ".0%"}
        for axis_name, part in zip(("aaxis", "baxis", "caxis"), parts, strict=True)
    }
    least = marker_size(len(shown), 7)
    sizes = [round(least + 2 * least * float(str(trial.values[left[0]])) / total, 2) for trial in shown] if left else 10
    rest = f" (size: {left[0].rpartition('.')[2]})" if left else ""
    return Plot(
        name=name,
        label=f"Weights of {', '.join(parts)}",
        sentence=f"{parts[0]}, {parts[1]}, {parts[2]}{rest}",
        data=[
            {
                "type": "scatterternary",
                **{
                    side: [round(float(str(trial.values[field])), 5) for trial in shown]
                    for side, field in zip("abc", chosen, strict=True)
                },
                "mode": "markers",
                "text": texts,
                "customdata": [trial.number for trial in shown],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": scored_markers(content, shown, sizes),
            }
        ],
        layout={"ternary": {"sum": 1, **sides}, "margin": {"l": 62, "r": 50, "t": 36, "b": 34}},
        height=340,
    )


def _pair(content: ReportContent, shown: Sequence[ReportedTrial], chosen: Sequence[str], *, name: str) -> Plot:
    x, y = (field.rpartition(".")[2] for field in chosen)
    return Plot(
        name=name,
        label=f"Weights of {x} and {y}",
        sentence=f"{x} against {y}.",
        data=[
            {
                "type": "scatter",
                "x": [trial.values[chosen[0]] for trial in shown],
                "y": [trial.values[chosen[1]] for trial in shown],
                "mode": "markers",
                "text": [_weights_text(trial, chosen) for trial in shown],
                "customdata": [trial.number for trial in shown],
                "hovertemplate": "%{text}<extra></extra>",
                "marker": scored_markers(content, shown, marker_size(len(shown), 9)),
            }
        ],
        layout={"xaxis": axis(f"weight of {x}"), "yaxis": axis(f"weight of {y}")},
        height=320,
    )


def _weights_text(trial: ReportedTrial, fields: Sequence[str]) -> str:
    weights_of = ", ".join(f"{field.rpartition('.')[2]} {number(trial.values[field])}" for field in fields)
    return f"trial {trial.number} ({trial.word}): {percent(trial.value)} %<br>{weights_of}"

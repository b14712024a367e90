"""The reports of every trial by epoch or by seconds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from hico_platform.report.content import ReportContent
from hico_platform.report.plot import BEST, GRID, SOFT, STATE_COLOURS, Plot, Table, Trace, View, axis, percent, points


def learning_curves(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """The validation score by epoch or by seconds; one trace for each state, whose lines are apart."""
    shown = [trial for trial in content.trials if trial.curve]
    if not shown:
        return None
    best = content.best_trial
    by_epoch: list[list[Any]] = []
    by_time: list[list[Any]] = []
    traces: list[Trace] = []
    order = {"pruned": 0, "interrupted": 1, "failed": 2, "running": 3, "complete": 4}
    for state in sorted({trial.state for trial in shown}, key=lambda state: order.get(state, 9)):
        of_state = [trial for trial in shown if trial.state == state and trial is not best]
        if of_state:
            by_epoch.append(_gaps([list(trial.curve) for trial in of_state]))
            by_time.append(_gaps([[round(trial.spent_s.get(e, 0.0), 2) for e in trial.curve] for trial in of_state]))
            muted = state == "pruned"
            traces.append(
                {
                    "name": of_state[0].word,
                    "y": _gaps([points(list(trial.curve.values())) for trial in of_state]),
                    "customdata": _gaps([[trial.number] * len(trial.curve) for trial in of_state]),
                    "mode": "lines+markers",
                    "opacity": 0.45 if muted else 0.85,
                    "line": {"color": STATE_COLOURS.get(state, SOFT), "width": 1 if muted else 1.5},
                    "marker": {"size": 4 if len(of_state) <= 100 else 2},
                }
            )
    if best is not None and best.curve:
        by_epoch.append(list(best.curve))
        by_time.append([round(best.spent_s.get(epoch, 0.0), 2) for epoch in best.curve])
        errors = {"array": points([best.errors.get(e, 0.0) for e in best.curve]), "color": BEST, "thickness": 1}
        traces.append(
            {
                "name": f"best: trial {best.number}",
                "y": points(list(best.curve.values())),
                "customdata": [best.number] * len(best.curve),
                "mode": "lines+markers",
                "line": {"color": BEST, "width": 3},
                "marker": {"size": 7},
                **({"error_y": {"type": "data", **errors}} if best.errors else {}),
            }
        )
    rungs = [
        {"type": "line", "x0": rung, "x1": rung, "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
         "line": {"color": GRID, "width": 2, "dash": "dot"}}
        for rung in content.rungs
    ]  # fmt: skip
    views = [View(name="epochs", title="epoch", x=by_epoch, shapes=rungs)]
    if any(trial.spent_s for trial in shown):
        views.append(View(name="seconds", title="seconds of training on a worker", x=by_time))
    hover = "trial %{customdata}: %{y:.1f} % at %{x}<extra></extra>"
    bars = ", with its standard error" if best is not None and best.errors else ""
    return Plot(
        name=f"{prefix}curves",
        label="Learning curves",
        sentence=f"Each line is a trial's validation {content.score} at its reports; stopped trials are pale, the best "
        f"is thick{bars}. Dotted verticals are the rungs at which trials may be stopped. A click on a point shows the "
        "trial in the table.",
        data=[
            {"type": "scatter", "hovertemplate": hover, **trace, "x": x}
            for trace, x in zip(traces, by_epoch, strict=True)
        ],
        layout={
            "xaxis": axis("epoch", rangemode="tozero"),
            "yaxis": axis(f"validation {content.score}, %"),
            "shapes": rungs,
            "hovermode": "closest",
        },
        height=440,
        views=views,
        table=_by_epoch(content),
    )


def _by_epoch(content: ReportContent) -> Table:
    scores: dict[int, list[float]] = {}
    for trial in content.trials:
        for epoch, value in trial.curve.items():
            scores.setdefault(epoch, []).append(value)
    return Table(
        headings=["epoch", "trials", "worst, %", "median, %", "best, %"],
        rows=[
            [str(epoch), str(len(found)), percent(min(found)), percent(statistics.median(found)), percent(max(found))]
            for epoch, found in sorted(scores.items())
        ],
    )


def _gaps(lines: Sequence[Sequence[Any]]) -> list[Any]:
    """Lines one after another with nothing between them, so that one trace draws them apart."""
    joined: list[Any] = []
    for line in lines:
        joined += [*line, None]
    return joined[:-1]

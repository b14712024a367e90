"""The score over two parameters at once, as a surface between the trials that were trained for the whole budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import SCALE, Plot, axis, is_number, labels, marker_size, points
from hico_platform.report.search_plots.importance import by_importance
from hico_platform.report.search_plots.scored import log_ticks

LEAST_TRIALS = 10
"""With fewer complete trials there is more surface than evidence."""
CELLS = 31
"""Points of the surface in each direction."""
REACH = 2.0
"""Where no trial lies within so many widths, nothing is drawn."""

Floats = npt.NDArray[np.float64]


def contour(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """The score over the two most important numeric parameters; None where there are too few of either."""
    shown = [trial for trial in content.trials if trial.is_complete and trial.value is not None]
    fields = [field for field in by_importance(content) if _spread(shown, field)][:2]
    if len(fields) < 2 or len(shown) < LEAST_TRIALS:
        return None
    across, up = (_Axis(content, shown, field) for field in fields)
    scores = np.array([100 * float(trial.value or 0.0) for trial in shown])
    surface = smoothed(np.stack([across.places, up.places], axis=1), scores)
    names = labels(content)
    first, second = names[fields[0]], names[fields[1]]
    return Plot(
        name=f"{prefix}contour",
        label=f"The score over {first} and {second}",
        sentence=f"The mean {content.score} of the trials nearby, weighted by how near they are, over the two "
        "parameters that matter most among those with numbers. Only trials of the whole budget count; where none is "
        "near, nothing is drawn. Where the best value of one depends on the other, the two interact.",
        data=[
            {
                "type": "contour",
                "x": [round(one, 9) for one in across.grid],
                "y": [round(one, 9) for one in up.grid],
                "z": [[None if math.isnan(one) else round(float(one), 3) for one in row] for row in surface],
                "colorscale": SCALE,
                "contours": {"coloring": "heatmap"},
                "line": {"width": 0.7, "color": "var(--soft)"},
                "colorbar": {"title": {"text": "%", "side": "top"}, "thickness": 10, "len": 0.8, "outlinewidth": 0},
                "hovertemplate": f"{first} %{{x:.3g}}, {second} %{{y:.3g}}: about %{{z:.1f}} %<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "x": across.values,
                "y": up.values,
                "customdata": [[trial.number, *points([trial.value])] for trial in shown],
                "hovertemplate": "trial %{customdata[0]}: %{customdata[1]:.1f} %<extra></extra>",
                "marker": {"size": marker_size(len(shown), 6), "color": "var(--ink)", "symbol": "circle-open"},
            },
        ],
        layout={
            "xaxis": axis(first, **across.scale),
            "yaxis": axis(second, **up.scale),
            "showlegend": False,
            "hovermode": "closest",
        },
        height=440,
    )


def smoothed(places: Floats, scores: Floats) -> Floats:
    """The mean score around each point of the unit square, weighted by a Gaussian of the distance.

    Its width follows from the number of trials (Scott's rule for two dimensions).

    Args:
        places: (N, 2) in the unit square.
        scores: (N,).

    Returns:
        (CELLS, CELLS), the second parameter from row to row; NaN where no trial is near.
    """
    width = max(0.04, 0.29 * len(scores) ** (-1 / 6))  # 0.29: the deviation of what is spread evenly
    line = np.linspace(0.0, 1.0, CELLS)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)  # (CELLS², 2)
    squares = ((grid[:, None] - places[None]) ** 2).sum(axis=-1) / width**2  # (CELLS², N)
    nearest = squares.min(axis=1)
    weights = np.exp(-0.5 * (squares - nearest[:, None]))
    found = (weights * scores).sum(axis=1) / weights.sum(axis=1)
    return np.where(nearest <= REACH**2, found, np.nan).reshape(CELLS, CELLS)


class _Axis:
    """A parameter as an axis: the values of trials, their places from 0 to 1, and the grid between."""

    def __init__(self, content: ReportContent, shown: Sequence[ReportedTrial], field: str) -> None:
        is_log = field in content.log_parameters
        self.values = [float(str(trial.values[field])) for trial in shown]
        at = np.log(self.values) if is_log else np.array(self.values)
        low, high = float(at.min()), float(at.max())
        self.places: Floats = (at - low) / (high - low)
        line = np.linspace(low, high, CELLS)
        self.grid: list[float] = (np.exp(line) if is_log else line).tolist()
        self.scale: dict[str, Any] = {"type": "log", **log_ticks(self.values)} if is_log else {}


def _spread(shown: Sequence[ReportedTrial], field: str) -> bool:
    """Whether every trial has a number for a parameter, and there are more than two of them."""
    values = [trial.values.get(field) for trial in shown]
    return all(is_number(value) for value in values) and len(set(values)) > 2

"""What plots of scores share: the order in which trials are drawn, their colours, and ticks of a log axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import BEST, INK, SCALE, points


def best_on_top(content: ReportContent) -> list[ReportedTrial]:
    """The trials with a score, the highest last: where points lie over one another it is the one that is seen."""
    return sorted((trial for trial in content.trials if trial.value is not None), key=lambda trial: trial.value or 0.0)


def scored_markers(content: ReportContent, shown: Sequence[ReportedTrial], size: Any) -> dict[str, Any]:
    """Markers coloured by score, round for complete trials and open for others; the best has a ring."""
    return {
        "color": points([trial.value for trial in shown]),
        "colorscale": SCALE,
        "size": size,
        "symbol": ["circle" if trial.is_complete else "diamond" for trial in shown],
        "opacity": 0.9,
        "line": {
            "color": [BEST if trial.number == content.best else INK for trial in shown],
            "width": [3 if trial.number == content.best else 0.5 for trial in shown],
        },
        "colorbar": {"title": {"text": "%", "side": "top"}, "thickness": 10, "len": 0.8, "x": 1.02, "outlinewidth": 0},
    }


def log_ticks(values: Sequence[float]) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 of each decade between the values, as plain numbers."""
    if not values or min(values) <= 0:
        return {}
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    found = [step * 10.0**decade for decade in range(low, high + 1) for step in (1, 2, 5)]
    within = [one for one in found if min(values) / 1.5 <= one <= max(values) * 1.5]
    kept = within if len(within) <= 7 else [one for one in within if math.log10(one).is_integer()]
    return {"tickvals": kept, "ticktext": [f"{one:g}" for one in kept]}

"""Every trial as a line through its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import Plot, is_number, labels, number


def parallel(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """Parallel coordinates: each trial a line over the parameters and its score, which the page's script draws."""
    shown = [trial for trial in content.trials if trial.value is not None]
    fields = varied(content)
    if len(shown) < 2 or not fields:
        return None
    names = labels(content)
    axes = [_scale(content, field, names[field], shown) for field in fields]
    scores = [100 * (trial.value or 0.0) for trial in shown]
    axes.append(_numbers(f"{content.score}, %", [round(one, 4) for one in scores], log=False))
    return Plot(
        name=f"{prefix}parallel",
        label="Parallel coordinates of the parameters",
        sentence=f"Each line is a trial; its colour is its last {content.score}, and a dashed one was not trained for "
        "the whole budget. Drag along an axis to keep the trials that pass there; a double click shows all again.",
        data={
            "axes": axes,
            "score": [round(one, 4) for one in scores],
            "trial": [trial.number for trial in shown],
            "whole": [trial.is_complete for trial in shown],
            "title": f"{content.score}, %",
        },
        height=440,
        kind="parallel",
        least_width=110 * len(axes),
    )


def varied(content: ReportContent) -> list[str]:
    """The fields of which scored trials have more than one value."""
    scored = [trial for trial in content.trials if trial.value is not None]
    return [name for name in content.parameters if len({str(trial.values.get(name)) for trial in scored}) > 1]


def _scale(content: ReportContent, field: str, label: str, shown: Sequence[ReportedTrial]) -> dict[str, Any]:
    values = [trial.values.get(field) for trial in shown]
    there = [value for value in values if value is not None]
    choices = list(dict.fromkeys(there))
    numbers = [float(value) for value in there if isinstance(value, int | float) and is_number(value)]
    if len(numbers) < len(there) or (len(choices) <= 6 and all(isinstance(value, int) for value in there)):
        ordered: list[Any] = sorted(choices) if len(numbers) == len(there) else sorted(choices, key=str)
        step = 1 / max(1, len(ordered) - 1)
        place = {value: (index * step if len(ordered) > 1 else 0.5) for index, value in enumerate(ordered)}
        at = [None if value is None else round(place[value], 4) for value in values]
        ticks = [[round(place[value], 4), number(value)] for value in ordered]
        return {"label": label, "at": at, "ticks": ticks}
    scale = _numbers(label, numbers, log=field in content.log_parameters)
    placed = iter(scale["at"])
    return {**scale, "at": [None if value is None else next(placed) for value in values]}


def _numbers(label: str, values: Sequence[float], *, log: bool) -> dict[str, Any]:
    scaled = [math.log10(value) if log else value for value in values]
    low, high = min(scaled), max(scaled)
    width = (high - low) or 1.0
    marks = [low + width * step / 4 for step in range(5)]
    return {
        "label": label,
        "at": [round((value - low) / width, 4) for value in scaled],
        "ticks": [[round((mark - low) / width, 4), f"{10**mark if log else mark:.3g}"] for mark in marks],
    }

"""The best score of a search against what was spent for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from hico_platform.report.content import ReportContent
from hico_platform.report.plot import BEST, SOFT, Plot, Table, Trace, View, axis, line_mode, percent, points
from hico_platform.report.spending import HOUR_S, Moment, moments

Cost = tuple[str, str, Callable[[Moment], float]]
"""The name of a measure of cost, the title of its axis, and its value at a moment."""


def history(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """The best score so far against what was spent for it."""
    found = moments(content)
    if not found:
        return None
    ends = [one for one in found if one.is_end and one.trial.value is not None]
    complete = [one for one in ends if one.trial.is_complete]
    stopped = [one for one in ends if not one.trial.is_complete]
    best = _steps([one for one in found if one.best is not None], lambda one: one.best)
    anywhere = _steps(found, lambda one: one.any_best)
    drawn: list[tuple[Sequence[Moment], Trace]] = [
        (
            anywhere,
            {
                "name": "best at any report",
                "y": points([one.any_best for one in anywhere]),
                "mode": line_mode(len(anywhere)),
                "line": {"shape": "hv", "color": SOFT, "width": 1.5, "dash": "dot"},
                "hovertemplate": "%{y:.1f} % at some report<extra></extra>",
            },
        ),
        (
            best,
            {
                "name": "best complete trial so far",
                "y": points([one.best for one in best]),
                "mode": line_mode(len(best)),
                "line": {"shape": "hv", "color": BEST, "width": 3},
                "hovertemplate": "best so far %{y:.1f} %<extra></extra>",
            },
        ),
        (stopped, _ends(stopped, "stopped or failed, at its last epoch", hollow=True)),
        (complete, _ends(complete, "complete", hollow=False)),
    ]
    drawn = [(those, trace) for those, trace in drawn if those]
    views = [
        View(name=name, title=title, x=[[value(one) for one in those] for those, _ in drawn])
        for name, title, value in costs(content, found)
    ]
    raised = [
        one for before, one in itertools.pairwise([None, *complete]) if one and (not before or one.best != before.best)
    ]
    return Plot(
        name=f"{prefix}history",
        label="Best score so far against cost",
        sentence=f"How the best {content.score} rose with what was spent. The thick line is what the search would have "
        "returned had it ended there; costs are of all trials together, with their downstream evaluation.",
        data=[{"type": "scatter", **trace, "x": x} for (_, trace), x in zip(drawn, views[0].x, strict=True)],
        layout={
            "xaxis": axis(views[0].title, rangemode="tozero"),
            "yaxis": axis(f"validation {content.score}, %"),
            "hovermode": "closest",
        },
        views=views,
        table=Table(
            headings=["trial", "trials ended", "epochs spent", "worker-hours", f"best {content.score}, %"],
            rows=[
                [
                    str(one.trial.number),
                    str(one.ended),
                    f"{one.epochs:,}",
                    f"{one.worker_s / HOUR_S:.2f}",
                    percent(one.best),
                ]
                for one in raised
            ],
        ),
    )


def _steps(found: Sequence[Moment], value: Callable[[Moment], float | None]) -> list[Moment]:
    """The moments at which a line of steps has a corner, and its ends: between them it is drawn the same."""
    corners = [after for before, after in itertools.pairwise(found) if value(after) != value(before)]
    last = [one for one in found[-1:] if len(found) > 1 and one is not (corners[-1] if corners else None)]
    return [*found[:1], *corners, *last]


def costs(content: ReportContent, found: Sequence[Moment]) -> list[Cost]:
    """What the cost of a search may be measured by, as far as it is known."""
    held, what = (content.gpus, "GPU") if content.gpus > 0 else (content.cpus, "CPU")
    began = min((one.at_s for one in found), default=0.0)
    longest_s = max((one.worker_s for one in found), default=0.0) * max(held, 1.0)
    unit_s, unit = (HOUR_S, "hours") if longest_s > 2 * HOUR_S else (60.0, "minutes")
    every: list[Cost] = [("epochs", "epochs trained, all trials together", lambda one: one.epochs)]
    if held > 0 and longest_s > 0:
        every.append(
            (
                f"{what}-{unit}",
                f"{what}-{unit}, all trials together",
                lambda one: round(one.worker_s * held / unit_s, 4),
            )
        )
    every.append(("trials", "trials ended", lambda one: one.ended))
    if any(one.at_s > began for one in found):
        every.append(
            (f"{unit} passed", f"{unit} since the first report", lambda one: round((one.at_s - began) / unit_s, 4))
        )
    return every


def _ends(ends: Sequence[Moment], name: str, *, hollow: bool) -> Trace:
    colour = "var(--stopped)" if hollow else "var(--complete)"
    return {
        "name": name,
        "y": points([one.trial.value for one in ends]),
        "customdata": [one.trial.number for one in ends],
        "mode": "markers",
        "marker": {"symbol": "circle-open" if hollow else "circle", "size": 7, "color": colour},
        "hovertemplate": "trial %{customdata}: %{y:.1f} %<extra></extra>",
    }

"""Several searches beside each other: their bests with intervals, and the best so far at equal cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hico_platform.report.certainty import Certainty, certainty
from hico_platform.report.content import ReportContent
from hico_platform.report.plot import PALETTE, SYMBOLS, Plot, Table, View, axis, line_mode, percent, points
from hico_platform.report.search_plots.history import costs
from hico_platform.report.spending import HOUR_S, moments

_SAME: dict[str, Callable[[ReportContent], str]] = {
    "what is scored": lambda content: content.score,
    "dataset": lambda content: content.more_facts.get("data digest") or content.facts.get("data digest", ""),
    "protocol": lambda content: content.facts.get("protocol", ""),
    "scored on": lambda content: content.facts.get("scored on", ""),
    "epoch budget": lambda content: str(content.epochs),
}
"""What has to agree before scores of two searches can be compared."""


def differs(contents: Sequence[ReportContent]) -> list[str]:
    """What the searches do not have in common, so that their scores cannot be compared; one word or two each."""
    return [name for name, value in _SAME.items() if len({value(content) for content in contents}) > 1]


def bests(contents: Sequence[ReportContent]) -> Plot | None:
    """The best of each search with its 95 % interval."""
    found = [(content, sure) for content in contents if (sure := certainty(content)) is not None]
    if not found:
        return None
    return Plot(
        name="side-bests",
        label="The best of each search",
        sentence="The best score of each search with its 95 % interval, 1.96 standard errors to either side.",
        data=[
            {
                "type": "scatter",
                "mode": "markers",
                "x": [round(100 * sure.value, 4)],
                "y": [content.name],
                "marker": {"size": 12, "color": PALETTE[n % len(PALETTE)], "symbol": SYMBOLS[n % len(SYMBOLS)]},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_reach(sure, high=True)],
                    "arrayminus": [_reach(sure, high=False)],
                    "thickness": 1.5,
                },
                "hovertemplate": f"%{{y}}: %{{x:.1f}} % (trial {sure.trial.number})<extra></extra>",
                "showlegend": False,
            }
            for n, (content, sure) in enumerate(found)
        ],
        layout={
            "xaxis": axis("best validation score, %"),
            "yaxis": {"automargin": True, "type": "category", "autorange": "reversed"},
        },
        height=110 + 44 * len(found),
    )


def _reach(sure: Certainty, *, high: bool) -> float:
    end = sure.high if high else sure.low
    return 0.0 if end is None else round(100 * abs(end - sure.value), 4)


def history(contents: Sequence[ReportContent]) -> Plot | None:
    """The best complete trial so far of each search against the same costs."""
    lines = []
    for number, content in enumerate(contents):
        found = moments(content)
        scored = [one for one in found if one.best is not None]
        if scored:
            by = {name: (title, [value(one) for one in scored]) for name, title, value in costs(content, found)}
            lines.append((number, content, scored, by))
    if not lines:
        return None
    common = [name for name in lines[0][3] if all(name in by for _, _, _, by in lines)]
    views = [View(name=name, title=lines[0][3][name][0], x=[by[name][1] for _, _, _, by in lines]) for name in common]
    return Plot(
        name="side-history",
        label="Best so far of each search at equal cost",
        sentence="The best complete trial so far of each search; read the lines one above another at the same cost.",
        data=[
            {
                "type": "scatter",
                "mode": line_mode(len(scored)),
                "name": content.name,
                "x": views[0].x[place],
                "y": points([one.best for one in scored]),
                "line": {
                    "shape": "hv",
                    "width": 2.5,
                    "color": PALETTE[number % len(PALETTE)],
                    "dash": ("solid", "dash", "dot", "dashdot")[number % 4],
                },
                "hovertemplate": f"{content.name}: %{{y:.1f}} %<extra></extra>",
            }
            for place, (number, content, scored, _) in enumerate(lines)
        ],
        layout={"xaxis": axis(views[0].title, rangemode="tozero"), "yaxis": axis("best validation score, %")},
        views=views,
    )


def table(contents: Sequence[ReportContent]) -> Table:
    """The searches with their bests, and what they cost."""
    rows = []
    for content in contents:
        sure, found = certainty(content), moments(content)
        worker_s = found[-1].worker_s if found else 0.0
        rows.append(
            [
                content.name,
                content.state,
                content.score,
                "" if sure is None else percent(sure.value),
                "" if sure is None or sure.low is None else f"{percent(sure.low)} to {percent(sure.high)}",
                "" if sure is None else str(sure.trial.number),
                str(len(content.trials)),
                f"{found[-1].epochs if found else 0:,}",
                f"{worker_s * content.cpus / HOUR_S:.2f}",
                f"{worker_s * content.gpus / HOUR_S:.2f}",
                content.facts.get("dataset", ""),
                content.facts.get("protocol", ""),
            ]
        )
    return Table(
        headings=[
            "search", "state", "score", "best, %", "95 % interval", "trial", "trials", "epochs", "CPU-hours",
            "GPU-hours", "dataset", "protocol",
        ],
        rows=rows,
        text=frozenset({0, 1, 2, 10, 11}),
    )  # fmt: skip

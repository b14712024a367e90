"""Which trials went on from each rung, and which were stopped there."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from hico_platform.report.content import ReportContent
from hico_platform.report.plot import STATE_COLOURS, Plot, Table, percent


def rung_flow(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """How many trials went on from each rung, and where the others ended."""
    shown = [trial for trial in content.trials if trial.curve or trial.state == "failed"]
    stages = sorted({*content.rungs, content.epochs} & {epoch for trial in shown for epoch in trial.curve})
    if not shown or not stages:
        return None
    links: Counter[tuple[str, str]] = Counter()
    for trial in content.trials:
        place = "began"
        for stage in stages:
            if stage in trial.curve:
                links[place, f"epoch {stage}"] += 1
                place = f"epoch {stage}"
        if trial.state != "complete":
            links[place, trial.word if trial.state != "pruned" else f"stopped at {trial.epoch}"] += 1
    names = list(dict.fromkeys(["began", *(f"epoch {stage}" for stage in stages), *(to for _, to in links)]))
    sizes = {
        name: max(
            sum(count for (source, _), count in links.items() if source == name),
            sum(count for (_, target), count in links.items() if target == name),
        )
        for name in names
    }
    index = {name: place for place, name in enumerate(names)}
    colours = [_flow_colour(name, content) for name in names]
    return Plot(
        name=f"{prefix}rungs",
        label="Who was stopped where",
        sentence="Trials flow from left to right through the epochs at which they are compared; the width of a band is "
        "how many went that way.",
        data=[
            {
                "type": "sankey",
                "arrangement": "snap",
                "node": {
                    "label": [f"{name}: {sizes[name]}" for name in names],
                    "color": colours,
                    "pad": 18,
                    "thickness": 14,
                    "line": {"width": 0},
                    "hovertemplate": "%{label}<extra></extra>",
                },
                "link": {
                    "source": [index[source] for source, _ in links],
                    "target": [index[target] for _, target in links],
                    "value": list(links.values()),
                    "color": [f"{colours[index[target]][:-1]}-soft)" for _, target in links],
                    "hovertemplate": "%{value} from %{source.label} to %{target.label}<extra></extra>",
                },
            }
        ],
        layout={"margin": {"l": 8, "r": 8, "t": 12, "b": 12}},
        height=330,
        least_width=150 * (len(stages) + 1),
        table=_rung_table(content, stages),
    )


def _flow_colour(name: str, content: ReportContent) -> str:
    if name.startswith("stopped"):
        return "var(--stopped)"
    if name == f"epoch {content.epochs}":
        return "var(--complete)"
    return STATE_COLOURS.get(name, "var(--flow)")


def _rung_table(content: ReportContent, stages: Sequence[int]) -> Table:
    rows = []
    for stage in stages:
        here = [trial for trial in content.trials if stage in trial.curve]
        scores = [trial.curve[stage] for trial in here]
        rows.append(
            [
                str(stage),
                str(len(here)),
                str(sum(trial.epoch > stage for trial in here)),
                str(sum(trial.state == "pruned" and trial.epoch == stage for trial in here)),
                percent(statistics.median(scores)),
                percent(max(scores)),
            ]
        )
    return Table(headings=["epoch", "reached", "went on", "stopped here", "median, %", "best, %"], rows=rows)

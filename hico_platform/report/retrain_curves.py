"""Plots of a retraining along something that is made harder: the share of labels, and what of a sequence is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hico_platform.evaluate.headings import OCCLUSION, SEMI, heading
from hico_platform.report.content import FurtherCell, RetrainTable
from hico_platform.report.curves import EntryScores, Line, occlusion_lines, semi_supervised_lines
from hico_platform.report.plot import Plot, Table, axis, percent
from hico_platform.report.retrain_plots import colour_of, symbol_of

_DASHES = ("solid", "dash", "dot", "dashdot")
_DRAWN = {
    "labels drawn unstratified": "the first of a shuffle of all sequences, as the papers of CMD, MAMP and STARS draw",
    "labels drawn per class": "the same share of each class, as AimCLR and HYSP draw; a class may have none",
}


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """The two ends of an interval."""

    low: float
    high: float


def curves(table: RetrainTable, *, prefix: str = "") -> list[Plot]:
    """A plot for each way that labels were drawn, and for each kind of occlusion; none where nothing was scored so."""
    entries = {
        row: EntryScores(
            values={name: cell.mean for name, cell in cells.items()},
            intervals={
                name: _Reach(low=cell.low, high=cell.high)
                for name, cell in cells.items()
                if cell.low is not None and cell.high is not None
            },
        )
        for row, cells in table.further.items()
    }
    few = [
        _plot(
            table,
            lines,
            name=f"{prefix}semi{number}",
            label=f"Few labels: {panel}",
            sentence=f"Accuracy on the test split of what learnt from so many of the labels: {_DRAWN[panel]}.",
            title="labels, % of the training sequences",
            amount="{:g} % of labels".format,
        )
        for number, (panel, lines) in enumerate(semi_supervised_lines(entries).items())
    ]
    occluded = [
        _plot(
            table,
            lines,
            name=f"{prefix}occlusion{number}",
            label=f"Occlusion: {panel.removesuffix(', %')}",
            sentence="Accuracy on test sequences of which so much is zero; what is learnt from is whole.",
            title=panel,
            amount=("{:g} % of frames" if "frames" in panel else "parts: {:g}").format,
        )
        for number, (panel, lines) in enumerate(occlusion_lines(entries).items())
    ]
    return few + occluded


def _plot(
    table: RetrainTable,
    lines: Sequence[Line],
    *,
    name: str,
    label: str,
    sentence: str,
    title: str,
    amount: Callable[[float], str],
) -> Plot:
    """Equal steps between the amounts: 1 and 5 % would lie over one another on a scale to 20 %."""
    at = sorted({x for line in lines for x in line.points})
    methods = list(dict.fromkeys(line.by for line in lines))
    rows = [row.name for row in table.rows]
    return Plot(
        name=name,
        label=label,
        sentence=sentence,
        data=[
            _trace(line, number=number, row=rows.index(line.entry), dash=_DASHES[methods.index(line.by) % len(_DASHES)])
            for number, line in enumerate(lines)
        ],
        layout={
            "scattermode": "group",
            "scattergap": 0.75,
            "xaxis": axis(title, type="category", categoryorder="array", categoryarray=[f"{x:g}" for x in at]),
            "yaxis": axis("top-1 accuracy, %"),
            "hovermode": "closest",
        },
        height=400,
        table=Table(
            headings=["", *(f"{amount(x)}, %" if x else "nothing missing, %" for x in at)],
            rows=[[line.label, *(_cell(line, x) for x in at)] for line in lines],
        ),
    )


def _trace(line: Line, *, number: int, row: int, dash: str) -> dict[str, Any]:
    values = list(line.points.values())
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": line.label,
        "x": [f"{x:g}" for x in line.points],
        "y": [round(100 * value, 4) for value, _ in values],
        "offsetgroup": str(number),
        "line": {"color": colour_of(line.entry, row), "dash": dash, "width": 2},
        "marker": {"color": colour_of(line.entry, row), "symbol": symbol_of(row), "size": 8},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [round(100 * max(0.0, one.high - value), 4) if one else 0.0 for value, one in values],
            "arrayminus": [round(100 * max(0.0, value - one.low), 4) if one else 0.0 for value, one in values],
            "thickness": 1.2,
            "width": 3,
        },
        "hovertemplate": f"{line.label}, %{{x}}: %{{y:.1f}} %<extra></extra>",
    }


def _cell(line: Line, x: float) -> str:
    if x not in line.points:
        return ""
    value, one = line.points[x]
    return percent(value) + ("" if one is None else f"\n{percent(one.low)} to {percent(one.high)}")


def other_scores(table: RetrainTable) -> Table | None:
    """The scores of tasks beyond the quick ones that no curve shows, such as fine-tuning: a row each."""
    names = dict.fromkeys(name for cells in table.further.values() for name in cells)
    shown = [name for name in names if not SEMI.fullmatch(name) and not OCCLUSION.fullmatch(name)]
    if not shown:
        return None
    return Table(
        headings=["score, %", *table.further],
        rows=[[heading(name), *(_of(cells, name) for cells in table.further.values())] for name in shown],
    )


def _of(cells: Mapping[str, FurtherCell], name: str) -> str:
    if name not in cells:
        return ""
    cell = cells[name]
    spread = "" if cell.deviation is None else f" ± {percent(cell.deviation)}"
    reach = "" if cell.low is None else f"\n{percent(cell.low)} to {percent(cell.high)}"
    return f"{percent(cell.mean)}{spread}{reach}"

"""Plots of a retraining: scores with intervals, and the figures of the best configuration's encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from hico_platform.report.content import RetrainTable
from hico_platform.report.feature_map import MOST_CLASSES, named_classes, other_classes
from hico_platform.report.losses import TOTAL, loss_lines
from hico_platform.report.plot import BEST, MUTED, PALETTE, SOFT, SYMBOLS, Plot, Table, axis, percent, points

BEST_ROW = "best configuration"
ROWS_FROM_FILES = {"features": "features", "confusion_knn": "confusion", "losses": "losses"}
"""The names of pictures whose numbers the page draws itself, where it has them."""
CURVES = ("semi_supervised", "occlusion")
"""The names of pictures whose numbers are scores of further tasks, which the page draws itself."""


def pictures(table: RetrainTable) -> list[str]:
    """The files of figures that the page shows as pictures."""
    drawn = {picture for picture, name in ROWS_FROM_FILES.items() if name in table.drawn}
    drawn |= set(CURVES) if table.further else set()
    return [file for file in table.figures if file.rpartition("/")[2].removesuffix(".png") not in drawn]


def colour_of(row: str, number: int) -> str:
    """The colour of a row of the comparison in all of its plots."""
    return BEST if row == BEST_ROW else PALETTE[number % len(PALETTE)]


def symbol_of(number: int) -> str:
    """The marker of a row in all plots of the comparison."""
    return SYMBOLS[number % len(SYMBOLS)]


def scores(table: RetrainTable, *, prefix: str = "") -> Plot | None:
    """Each entry's scores on the test split with their 95 % intervals."""
    names = [name for name in table.headings if any(name in row.scores for row in table.rows)]
    if not names:
        return None
    data: list[dict[str, Any]] = []
    for number, row in enumerate(table.rows):
        there = [name for name in names if name in row.scores]
        means = [row.scores[name][0] for name in there]
        intervals = [table.intervals.get(row.name, {}).get(name) for name in there]
        best = row.name == BEST_ROW
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": row.name,
                "x": [table.headings[name].replace(" ", "<br>") for name in there],
                "y": points(means),
                "offsetgroup": str(number),
                "marker": {
                    "size": 11 if best else 8,
                    "symbol": symbol_of(number),
                    "color": colour_of(row.name, number),
                },
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_reach(mean, one, high=True) for mean, one in zip(means, intervals, strict=True)],
                    "arrayminus": [_reach(mean, one, high=False) for mean, one in zip(means, intervals, strict=True)],
                    "thickness": 1.5,
                    "width": 3,
                },
                "hovertemplate": f"{row.name}, %{{x}}: %{{y:.1f}} %<extra></extra>",
            }
        )
    sure = "with their 95 % intervals" if table.intervals else "without intervals, which older results do not have"
    return Plot(
        name=f"{prefix}scores",
        label="Scores on the test split",
        sentence=f"Means over seeds on the test split, {sure}. Entries whose intervals overlap may still differ: the "
        "paired tests below say so.",
        data=data,
        layout={
            "scattermode": "group",
            "scattergap": 0.4,
            "xaxis": {"automargin": True, "tickangle": 0},
            "yaxis": axis("score, %"),
            "hovermode": "closest",
        },
        height=400,
        least_width=75 * len(names),
    )


def _reach(mean: float, interval: tuple[float, float] | None, *, high: bool) -> float:
    if interval is None:
        return 0.0
    return round(100 * max(0.0, interval[1] - mean if high else mean - interval[0]), 4)


def features(table: RetrainTable, *, prefix: str = "") -> Plot | None:
    """The test sequences' features laid out by t-SNE, by class."""
    found = table.drawn.get("features")
    if not found:
        return None
    labels = np.array(found["label"], np.int64)
    x, y = np.array(found["x"]), np.array(found["y"])
    named = named_classes(labels)
    data: list[dict[str, Any]] = []
    others = ~np.isin(labels, named)
    if others.any():
        data.append(
            {
                **_cloud(x[others], y[others]),
                "name": other_classes(labels, named),
                "text": [found["class_names"][label] for label in labels[others]],
                "marker": {"color": MUTED, "size": 5},
            }
        )
    for number, label in enumerate(named):
        of_class = labels == label
        data.append(
            {
                **_cloud(x[of_class], y[of_class]),
                "name": found["class_names"][label],
                "text": [found["class_names"][label]] * int(of_class.sum()),
                "marker": {
                    "color": PALETTE[number % len(PALETTE)],
                    "symbol": SYMBOLS[(number // len(PALETTE)) % len(SYMBOLS)],
                    "size": 7 if len(labels) <= 400 else 5,
                    "opacity": 0.85,
                },
            }
        )
    bare = {"showgrid": False, "showticklabels": False, "ticks": "", "zeroline": False}
    return Plot(
        name=f"{prefix}features",
        label="Features by class",
        sentence=f"Each point is a test sequence ({len(labels)}), laid out by t-SNE: like features lie together; "
        f"axes and distances between groups mean nothing. At most {MOST_CLASSES} classes have a colour. A click in the "
        "legend hides a class.",
        data=data,
        layout={
            "xaxis": bare,
            "yaxis": {**bare, "scaleanchor": "x"},
            "hovermode": "closest",
            "margin": {"l": 12, "r": 12, "t": 12, "b": 12},
        },
        height=560,
        table=Table(
            headings=["class", "sequences"],
            rows=[[found["class_names"][int(label)], str(int((labels == label).sum()))] for label in np.unique(labels)],
        ),
    )


def _cloud(x: Any, y: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [round(float(one), 3) for one in x],
        "y": [round(float(one), 3) for one in y],
        "hovertemplate": "%{text}<extra></extra>",
    }


def confusion(table: RetrainTable, *, prefix: str = "") -> Plot | None:
    """How often each class was taken for each other by 1-NN."""
    found = table.drawn.get("confusion")
    if not found:
        return None
    counts = np.array(found["counts"], np.int64)
    names = found["class_names"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mistaken = sorted(
        ((int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j), reverse=True
    )
    return Plot(
        name=f"{prefix}confusion",
        label="Confusion matrix",
        sentence="What 1-NN answers (columns) for sequences of each class (rows), in per cent of the row; a perfect "
        "encoder fills the diagonal alone.",
        data=[
            {
                "type": "heatmap",
                "z": [[round(100 * float(share), 2) for share in row] for row in shares],
                "x": names,
                "y": names,
                "customdata": counts.tolist(),
                "zmin": 0,
                "zmax": 100,
                "colorscale": [[0, "var(--card)"], [1, "var(--complete)"]],
                "hovertemplate": "%{y} taken for %{x}: %{customdata} (%{z:.0f} %)<extra></extra>",
                "colorbar": {"title": {"text": "%", "side": "top"}, "thickness": 10, "outlinewidth": 0},
                "xgap": 1,
                "ygap": 1,
            }
        ],
        layout={
            "xaxis": axis("answer", type="category", tickangle=-60, showgrid=False, tickfont={"size": 11}),
            "yaxis": axis("true class", type="category", autorange="reversed", showgrid=False, tickfont={"size": 11}),
        },
        height=max(360, min(900, 180 + 20 * len(names))),
        table=Table(
            headings=["true class", "taken for", "sequences", "% of the class"],
            rows=[
                [names[i], names[j], str(count), f"{100 * shares[i, j]:.0f}"] for count, i, j in mistaken[:50]
            ],
            text=frozenset({0, 1}),
        ),
        least_width=240 + 22 * len(names),
    )  # fmt: skip


def losses(table: RetrainTable, *, prefix: str = "") -> Plot | None:
    """The losses of the best configuration's first seed: the weighted total, and each level's."""
    found = table.drawn.get("losses")
    if not found:
        return None
    lines = loss_lines({int(epoch): values for epoch, values in found.items()})
    if not lines:
        return None
    return Plot(
        name=f"{prefix}losses",
        label="Losses by level",
        sentence="The contrastive loss of each level in training, not weighted, and their weighted total (dotted).",
        data=[
            {
                "type": "scatter",
                "mode": "lines",
                "name": "total, weighted" if name == TOTAL else name.removeprefix(f"{TOTAL}_"),
                "x": list(line),
                "y": [round(value, 5) for value in line.values()],
                "line": {
                    "color": SOFT if name == TOTAL else PALETTE[number % len(PALETTE)],
                    "dash": "dot" if name == TOTAL else ("solid", "dash", "dashdot", "longdash")[number % 4],
                    "width": 2,
                },
                "hovertemplate": "epoch %{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
            }
            for number, (name, line) in enumerate(lines.items())
        ],
        layout={"xaxis": axis("epoch"), "yaxis": axis("contrastive loss")},
        table=Table(
            headings=["epoch", *[name.removeprefix(f"{TOTAL}_") if name != TOTAL else "total" for name in lines]],
            rows=[
                [str(epoch), *[f"{line[epoch]:.4f}" if epoch in line else "" for line in lines.values()]]
                for epoch in sorted({epoch for line in lines.values() for epoch in line})
            ],
        ),
    )


def score_table(table: RetrainTable) -> Table:
    """Means with their deviations over seeds, and 95 % intervals in a second line."""
    rows = []
    for row in table.rows:
        cells = [row.name]
        for name in table.headings:
            if name not in row.scores:
                cells.append("")
                continue
            mean, deviation, _ = row.scores[name]
            interval = table.intervals.get(row.name, {}).get(name)
            spread = "" if deviation is None else f" ± {percent(deviation)}"
            reach = "" if interval is None else f"\n{percent(interval[0])} to {percent(interval[1])}"
            cells.append(f"{percent(mean)}{spread}{reach}")
        rows.append([*cells, str(max((count for _, _, count in row.scores.values()), default=0))])
    headings = ["", *[f"{table.headings[name]}, %" for name in table.headings], "seeds"]
    return Table(headings=headings, rows=rows)


def difference_table(table: RetrainTable) -> Table | None:
    """How far the best configuration is above each other entry, with intervals and p."""
    if not table.differences:
        return None
    return Table(
        headings=["best configuration less", "score", "points", "95 % interval", "p (Holm)", "one-sided p", "verdict"],
        rows=[
            [
                one.name,
                table.headings.get(one.metric, one.metric),
                f"{100 * one.difference:+.1f}",
                f"{100 * one.low:.1f} to {100 * one.high:.1f}",
                p_in_words(one.p),
                p_in_words(one.p_one_sided),
                "better beyond noise" if one.better else "not better beyond noise",
            ]
            for one in table.differences
        ],
        text=frozenset({0, 1, 6}),
    )


def candidate_table(table: RetrainTable, *, score: str) -> Table | None:
    """The configurations among which validation chose."""
    if not table.candidates:
        return None
    return Table(
        headings=["trial", f"{score} in the search, %", f"{score}, mean over seeds, %", "seeds", ""],
        rows=[
            [
                str(one.trial),
                percent(one.searched) + (" (stopped early)" if one.stopped else ""),
                percent(one.mean) + ("" if one.deviation is None else f" ± {percent(one.deviation)}"),
                str(one.seeds),
                "chosen" if one.chosen else "",
            ]
            for one in table.candidates
        ],
        text=frozenset({4}),
    )


def p_in_words(p: float) -> str:
    """A p as tables show it."""
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"

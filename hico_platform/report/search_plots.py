"""Plots of one search."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hico_platform.report.content import Importance, ReportContent, ReportedTrial
from hico_platform.report.plot import (
    BEST,
    GRID,
    INK,
    PALETTE,
    SCALE,
    SOFT,
    STATE_COLOURS,
    Plot,
    Table,
    Trace,
    View,
    axis,
    is_number,
    labels,
    line_mode,
    marker_size,
    number,
    percent,
    points,
)
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
    best = [one for one in found if one.best is not None]
    drawn: list[tuple[Sequence[Moment], Trace]] = [
        (
            found,
            {
                "name": "best at any report",
                "y": points([one.any_best for one in found]),
                "mode": line_mode(len(found)),
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


def weights(content: ReportContent, *, prefix: str = "") -> list[Plot]:
    """Each simplex of weights: faces for three or four weights, pairs for others."""
    plots: list[Plot] = []
    for group, fields in content.simplexes.items():
        shown = [trial for trial in _best_on_top(content) if all(field in trial.values for field in fields)]
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


def _best_on_top(content: ReportContent) -> list[ReportedTrial]:
    """The trials with a score, the highest last: where points lie over one another it is the one that is seen."""
    return sorted((trial for trial in content.trials if trial.value is not None), key=lambda trial: trial.value or 0.0)


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
                "marker": _scored_markers(content, shown, sizes),
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
                "marker": _scored_markers(content, shown, marker_size(len(shown), 9)),
            }
        ],
        layout={"xaxis": axis(f"weight of {x}"), "yaxis": axis(f"weight of {y}")},
        height=320,
    )


def _weights_text(trial: ReportedTrial, fields: Sequence[str]) -> str:
    weights_of = ", ".join(f"{field.rpartition('.')[2]} {number(trial.values[field])}" for field in fields)
    return f"trial {trial.number} ({trial.word}): {percent(trial.value)} %<br>{weights_of}"


def _scored_markers(content: ReportContent, shown: Sequence[ReportedTrial], size: Any) -> dict[str, Any]:
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


def importance(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """How much of the spread of scores each parameter explains, as people named it."""
    found = content.named_importance
    if found is None or not found.shares:
        return None
    names = labels(content)
    ordered = sorted(found.shares.items(), key=lambda item: item[1])
    errors = [round(100 * found.errors.get(name, 0.0), 3) for name, _ in ordered]
    shares = [round(100 * share, 3) for _, share in ordered]
    ends = {
        "type": "data",
        "symmetric": False,
        "array": [round(min(1.96 * error, 100 - share), 3) for share, error in zip(shares, errors, strict=True)],
        "arrayminus": [round(min(1.96 * error, share), 3) for share, error in zip(shares, errors, strict=True)],
        "color": INK,
        "thickness": 1.2,
    }
    return Plot(
        name=f"{prefix}importance",
        label="Importance of the parameters",
        sentence=_importance_sentence(content, found),
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": shares,
                "y": [names.get(name, name) for name, _ in ordered],
                "marker": {"color": "var(--complete)"},
                "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
                **({"error_x": ends} if found.errors else {}),
            }
        ],
        layout={"xaxis": axis("share of the importance, %", range=[0, 100]), "yaxis": {"automargin": True}},
        height=100 + 34 * len(ordered),
        table=Table(
            headings=["parameter", "share, %", "95 % interval, %"],
            rows=[
                [name, f"{100 * share:.1f}", importance_interval(found, name)]
                for name, share in reversed(ordered)
            ],
        ),
    )  # fmt: skip


def importance_interval(found: Importance, name: str) -> str:
    """The 95 % interval of a share, within 0 and 100; empty where none is known."""
    if name not in found.errors:
        return ""
    share, half = found.shares[name], 1.96 * found.errors[name]
    return f"{100 * max(0.0, share - half):.1f} to {100 * min(1.0, share + half):.1f}"


def _importance_sentence(content: ReportContent, found: Importance) -> str:
    few = " So few trials make it rough." if found.trials < 30 else ""
    bars = (
        f" Bars are 95 % intervals from {found.draws} resamplings of the trials."
        if found.errors
        else " With so many trials it was not resampled."
    )
    return (
        f"How much each parameter sets the best tenth of trials apart from the others (PED-ANOVA), by {content.score} "
        f"at epoch {found.epoch}, which {found.trials} trials reported.{bars}{few}"
    )


def slices(content: ReportContent, *, prefix: str = "") -> list[Plot]:
    """Each parameter against the last score, the most important first."""
    shown = [trial for trial in content.trials if trial.value is not None]
    names = labels(content)
    return [
        _slice(content, [trial for trial in shown if field in trial.values], field, names[field], prefix=prefix)
        for field in by_importance(content)
    ]


def by_importance(content: ReportContent) -> list[str]:
    """The fields that vary, the most important first where that is known."""
    shares = content.named_importance.shares if content.named_importance else {}
    fields = varied(content)
    return sorted(fields, key=lambda field: (-shares.get(field, 0.0), fields.index(field)))


def _slice(content: ReportContent, shown: Sequence[ReportedTrial], field: str, label: str, *, prefix: str) -> Plot:
    traces = []
    numeric = all(is_number(trial.values[field]) for trial in shown)
    kinds = (("stopped or not yet done", False, "circle-open"), ("complete", True, "circle"))
    for word, whole, symbol in kinds:
        those = [trial for trial in shown if trial.is_complete is whole]
        if those:
            traces.append(
                {
                    "type": "scatter",
                    "name": word,
                    "x": [_plotted(trial.values[field], numeric=numeric) for trial in those],
                    "y": points([trial.value for trial in those]),
                    "customdata": [trial.number for trial in those],
                    "mode": "markers",
                    "hovertemplate": f"trial %{{customdata}}: {label} %{{x}}, %{{y:.1f}} %<extra></extra>",
                    "marker": {
                        "symbol": symbol,
                        "size": marker_size(len(shown), 8),
                        "color": "var(--complete)" if whole else "var(--stopped)",
                        "line": {"width": 1.5 if len(shown) <= 150 else 1},
                    },
                }
            )
    values = {str(trial.values[field]) for trial in shown}
    few = len(values) <= 8 and not any(isinstance(trial.values[field], float) for trial in shown)
    scale: dict[str, Any] = {"type": "category", "categoryorder": "category ascending"} if not numeric else {}
    if numeric and field in content.log_parameters:
        scale = {"type": "log", **log_ticks([float(str(trial.values[field])) for trial in shown])}
    elif numeric and few:
        ordered = sorted({float(str(trial.values[field])) for trial in shown})
        scale = {"type": "category", "categoryorder": "array", "categoryarray": [f"{one:g}" for one in ordered]}
        for trace in traces:
            trace["x"] = [f"{float(str(one)):g}" for one in trace["x"]]
    return Plot(
        name=f"{prefix}slice-{field.replace('.', '-')}",
        label=f"{label} against the score",
        sentence=field,
        data=traces,
        layout={
            "xaxis": axis(label, **scale),
            "yaxis": axis("score, %"),  # which one is said above: its name may be longer than the plot is high
            "showlegend": False,
            "margin": {"l": 50, "r": 12, "t": 8, "b": 44},
            "hovermode": "closest",
        },
        height=250,
    )


def log_ticks(values: Sequence[float]) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 of each decade between the values, as plain numbers."""
    if not values or min(values) <= 0:
        return {}
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    found = [step * 10.0**decade for decade in range(low, high + 1) for step in (1, 2, 5)]
    within = [one for one in found if min(values) / 1.5 <= one <= max(values) * 1.5]
    kept = within if len(within) <= 7 else [one for one in within if math.log10(one).is_integer()]
    return {"tickvals": kept, "ticktext": [f"{one:g}" for one in kept]}


def _plotted(value: object, *, numeric: bool) -> Any:
    return (round(value, 6) if isinstance(value, float) else value) if numeric else str(value)


def interactions(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """Any two parameters against each other, coloured by score; the reader chooses them on the page."""
    fields = by_importance(content)
    shown = _best_on_top(content)
    if len(fields) < 2 or len(shown) < 2:
        return None
    names = labels(content)
    columns = []
    for field in fields:
        values = [trial.values.get(field) for trial in shown]
        there = [value for value in values if value is not None]
        numeric = all(is_number(value) for value in there)
        kind = "category" if not numeric else "log" if field in content.log_parameters else "linear"
        plotted = [None if value is None else _plotted(value, numeric=numeric) for value in values]
        ticks = log_ticks([float(str(value)) for value in there]) if kind == "log" else {}
        columns.append({"label": names[field], "values": plotted, "type": kind, "axis": ticks})
    return Plot(
        name=f"{prefix}pairs",
        label="Two parameters and the score",
        sentence=f"Two parameters against each other; the colour is the last {content.score}, circles were trained for "
        "the whole budget, diamonds were not, and the best has a ring. Where the colour changes along a diagonal, the "
        "two interact.",
        data={
            "columns": columns,
            "trial": [trial.number for trial in shown],
            "marker": _scored_markers(content, shown, marker_size(len(shown), 11)),
        },
        height=440,
        kind="pairs",
    )


def cost(content: ReportContent, *, prefix: str = "") -> Plot | None:
    """Seconds of each trial: its training with validation, and its downstream evaluation."""
    shown = [trial for trial in content.trials if trial.busy_s is not None]
    if not shown:
        return None
    downstream = [trial.evaluation_s or 0.0 for trial in shown]
    training = [(trial.busy_s or 0.0) - after for trial, after in zip(shown, downstream, strict=True)]
    numbers = [trial.number for trial in shown]
    return Plot(
        name=f"{prefix}cost",
        label="Seconds of each trial",
        sentence="How long each trial held its worker: training with its validations, and the downstream evaluation "
        "after it.",
        data=[
            {
                "type": "bar",
                "name": name,
                "x": numbers,
                "y": [round(one, 2) for one in seconds],
                "customdata": numbers,
                "marker": {"color": colour, "line": {"width": 0}},
                "hovertemplate": f"trial %{{x}}: %{{y:.1f}} s of {name}<extra></extra>",
            }
            for name, seconds, colour in (
                ("training and validation", training, "var(--complete)"),
                ("downstream evaluation", downstream, PALETTE[1]),
            )
        ],
        layout={
            "barmode": "stack",
            "bargap": 0.15 if len(shown) < 200 else 0,
            "xaxis": axis("trial", **({"dtick": 1} if len(shown) <= 25 else {})),
            "yaxis": axis("seconds on a worker"),
        },
        height=300,
    )


_COST_HEADINGS = (
    "count", "epochs", "worker-hours", "CPU-hours", "GPU-hours", "seconds an epoch", "downstream, % of the time",
)  # fmt: skip


def cost_table(content: ReportContent) -> Table:
    """What the trials of each state cost."""
    ended = [trial for trial in content.trials if trial.busy_s is not None]
    words = dict.fromkeys(trial.word for trial in ended)
    groups = [(word, [trial for trial in ended if trial.word == word]) for word in words]
    rows = [[word, *_cost(content, those)] for word, those in (*groups, ("all", ended))]
    return Table(headings=["trials", *_COST_HEADINGS], rows=rows)


def machine_table(content: ReportContent) -> Table | None:
    """What each machine did; None where no trial's machine is known."""
    ended = [trial for trial in content.trials if trial.busy_s is not None]
    machines = sorted({trial.machine for trial in ended if trial.machine is not None})
    if not machines:
        return None
    groups = [(name, [trial for trial in ended if trial.machine == name]) for name in (*machines, None)]
    rows = [[name or "not known", *_cost(content, those)] for name, those in groups if those]
    return Table(headings=["machine", *_COST_HEADINGS], rows=rows)


def _cost(content: ReportContent, trials: Sequence[ReportedTrial]) -> list[str]:
    busy_s = sum(trial.busy_s or 0.0 for trial in trials)
    after_s = sum(trial.evaluation_s or 0.0 for trial in trials)
    epochs = sum(trial.epoch for trial in trials)
    return [
        str(len(trials)),
        f"{epochs:,}",
        f"{busy_s / HOUR_S:.2f}",
        f"{busy_s * content.cpus / HOUR_S:.2f}",
        f"{busy_s * content.gpus / HOUR_S:.2f}",
        f"{(busy_s - after_s) / epochs:.2f}" if epochs else "",
        f"{100 * after_s / busy_s:.1f}" if busy_s > 0 else "",
    ]


def _gaps(lines: Sequence[Sequence[Any]]) -> list[Any]:
    """Lines one after another with nothing between them, so that one trace draws them apart."""
    joined: list[Any] = []
    for line in lines:
        joined += [*line, None]
    return joined[:-1]


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

"""The comparison at the end of a retraining, as tables and as plain values."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hico_platform.cli.terminal import rich_text
from hico_platform.cli.views.pretrain_only import joining
from hico_platform.errors import command
from hico_platform.evaluate.headings import heading, in_short
from hico_platform.retrain import further_scores
from hico_platform.retrain.candidates import as_plain
from hico_platform.retrain.comparison import Comparison, Difference
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import METRICS, Spread
from hico_platform.retrain.run import RetrainReport
from hico_platform.tracking.base import CHALLENGER

if TYPE_CHECKING:
    from hico_platform.evaluate.intervals import Interval

LOG_WIDTH = 120
COLUMNS = (
    "knn_top1",
    "knn_mean",
    "recognition_top1",
    "linear_regularised_top1",
    "retrieval_recall_at_5",
    "retrieval_map",
    "transfer_top1",
)
"""The metrics of the table; ``--json`` has all."""


def print_report(report: RetrainReport, *, again: str) -> None:
    """The comparison as a table, with the facts that the numbers depend on, and what to do next.

    ``again`` is the command that registers the model or completes the tracking store later.
    """
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else LOG_WIDTH)
    if report.candidates:
        console.print(_candidates(report))
    console.print(_scores(report, console))
    if report.comparison.differences:
        console.print(_differences(report, console))
    if report.further:
        console.print(_further(report, console))
    if report.model_version is not None:
        registered = f"models:/{report.name}@{report.alias} (version {report.model_version})"
        console.print(f"Registered: {registered}", soft_wrap=True, markup=False)
    # Broken between words on a terminal, and whole in a pipe.
    console.print(report.promotion.sentence, soft_wrap=not is_terminal, markup=False, highlight=False)
    console.print(f"Results and checkpoints: {report.directory}", soft_wrap=True, markup=False)
    for line in _missing(report, again=again):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def next_commands(report: RetrainReport, *, is_search: bool, stores: str) -> Iterator[str]:
    """What to do with the result: look at it where it is a search's, and use the model where it is registered.

    ``stores`` are the options that name home and stores.
    """
    if is_search:
        yield f"Next: {command('report', report.name)}{stores}"
    if report.model_version is not None:
        model = f"{report.name}@{report.alias}"
        yield f"Use the model: {command('predict', '--model', model)} FILE...{stores}"


def _candidates(report: RetrainReport) -> Table:
    name = METRICS.get(report.signal.metric, report.signal.metric)
    table = Table(title=f"{rich_text(report.name)}: validation subjects choose among candidates")
    for column in ("trial", f"{name} in the search", f"{name}, mean over seeds"):
        table.add_column(column, justify="right")
    table.add_column("")
    for one in report.candidates:
        searched = "" if one.candidate.searched is None else f"{100 * one.candidate.searched:.1f}"
        stopped = " (stopped early)" if one.candidate.stopped else ""
        table.add_row(
            str(one.candidate.trial),
            f"{searched}{stopped}",
            _cell(one.score),
            "chosen" if one.chosen else "",
            style="bold" if one.chosen else None,
        )
    return table


@dataclass(frozen=True)
class _Row:
    """An entry of the comparison with its cells by metric."""

    heading: str
    cells: Mapping[str, str]
    is_bold: bool = False


def _by_metric(names: Sequence[str], rows: Sequence[_Row], *, title: str, caption: str, console: Console) -> Table:
    """A row for each entry and a column for each metric; the other way round where that is wider than the terminal."""
    table = Table(title=title, caption=caption)
    table.add_column("")
    for name in names:
        table.add_column(heading(name), justify="right")
    for row in rows:
        table.add_row(row.heading, *[row.cells.get(name, "") for name in names], style="bold" if row.is_bold else None)
    wide = console.options.update(max_width=10_000)
    if table.__rich_measure__(console, wide).maximum <= console.width:
        return table
    turned = Table(title=title, caption=caption)
    turned.add_column("")
    for row in rows:
        turned.add_column(row.heading, justify="right", style="bold" if row.is_bold else "")
    for name in names:
        turned.add_row(heading(name), *[row.cells.get(name, "") for row in rows])
    return turned


def _scores(report: RetrainReport, console: Console) -> Table:
    facts, comparison = report.facts, report.comparison
    count = max(spread.count for spread in report.summary[Entry.BEST].values())
    words = joining(facts)
    names = [name for name in COLUMNS if any(name in spreads for spreads in report.summary.values())]
    rows = []
    for entry, spreads in report.summary.items():
        intervals = comparison.intervals.get(entry, {})
        cells = {
            name: f"{_cell(spreads[name])}{_interval_line(intervals.get(name))}" for name in names if name in spreads
        }
        rows.append(_Row(entry.heading, cells, entry is Entry.BEST))
    return _by_metric(
        names,
        rows,
        title=f"{rich_text(report.name)}: test split, {facts['protocol']}, {report.config.budget.epochs} epochs, "
        f"{count} seed{'s' if count > 1 else ''}",
        caption=f"top-1 % (mAP: mean average precision){_intervals_in_words(comparison)}; "
        f"{facts['train_sequences']} train and "
        f"{facts['test_sequences']} test sequences of {rich_text(facts['dataset'])}{f' ({words})' if words else ''}, "
        f"data {facts['data_digest'][:12]}, "
        f"code {facts['code_version']}",
        console=console,
    )


def _differences(report: RetrainReport, console: Console) -> Table:
    """How far the best configuration is above each other entry, with intervals and p."""
    comparison = report.comparison
    names = [name for name in METRICS if any(name in found for found in comparison.differences.values())]
    rows = [
        _Row(entry.heading, {name: _difference_cell(found[name]) for name in names if name in found})
        for entry, found in comparison.differences.items()
    ]
    return _by_metric(
        names,
        rows,
        title=f"{Entry.BEST.heading} less",
        caption=f"points with their 95 % interval; p: two-sided, sign flips of {comparison.clusters}' differences, by "
        "Holm over all that is shown",
        console=console,
    )


def _further(report: RetrainReport, console: Console) -> Table:
    """Few labels, what is missing of a sequence, and whatever other tasks were asked for."""
    found = report.further.scores
    names = in_short(list(dict.fromkeys(name for scores in found.values() for name in scores)))
    rows = [
        _Row(
            entry.heading,
            {name: f"{_cell(scores[name].spread)}{_interval_line(scores[name].interval)}" for name in scores},
            entry is Entry.BEST,
        )
        for entry, scores in found.items()
    ]
    return _by_metric(
        names,
        rows,
        title=f"{rich_text(report.name)}: {', '.join(report.further.protocols)}",
        caption="top-1 % on the test split as above; --json and the report have all scores",
        console=console,
    )


def _difference_cell(difference: Difference) -> str:
    low, high = 100 * difference.test.interval.low, 100 * difference.test.interval.high
    return f"{100 * difference.test.difference:+.1f} [{low:.1f}, {high:.1f}]\np {_p_in_words(difference.p)}"


def _p_in_words(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


def _interval_line(interval: Interval | None) -> str:
    return "" if interval is None else f"\n{100 * interval.low:.1f}-{100 * interval.high:.1f}"


def _intervals_in_words(comparison: Comparison) -> str:
    if not comparison.intervals:
        return ""
    counted = comparison.clusters.counted(comparison.persons)
    what = counted if comparison.persons else "sequences (no persons are known)"
    over = what + (f" and {comparison.seeds} seeds" if comparison.seeds > 1 else "")
    alone = "" if comparison.seeds > 1 else ", not over seeds, of which there is one"
    return f", below it the 95 % interval over {over}{alone}"


def _missing(report: RetrainReport, *, again: str) -> list[str]:
    lines = []
    if report.refused:
        lines.append(f"{report.refused} writes were refused by the tracking store: {report.refusal}")
    if report.untracked:
        lines.append(f"the tracking store was away: {report.untracked} writes are missing there")
    if report.unregistered is not None:
        lines.append(f"The model is not registered: {report.unregistered}")
    lines += [f"{what} could not be scored: {why}" for what, why in report.further.failed.items()]
    if report.figures_missing is not None:
        lines.append(f"figures are missing: {report.figures_missing}")
    if lines:
        lines.append(f"once that is mended, this makes up for it, without training again: {again}")
    return lines


def as_json(report: RetrainReport) -> dict[str, Any]:
    """The same as plain values."""
    comparison = report.comparison
    return {
        "name": report.name,
        "facts": dict(report.facts),
        "epochs": report.config.budget.epochs,
        "summary": {
            str(entry): {
                name: {
                    "mean": spread.mean,
                    "std": spread.deviation,
                    "seeds": spread.count,
                    **_interval_as_json(comparison.intervals.get(entry, {}).get(name)),
                }
                for name, spread in spreads.items()
            }
            for entry, spreads in report.summary.items()
        },
        "differences": {
            str(entry): {name: _difference_as_json(one) for name, one in found.items()}
            for entry, found in comparison.differences.items()
        },
        "persons": comparison.persons,
        "clusters": comparison.clusters.value,
        "untested": comparison.untested,
        "metric": report.metric,
        "signal": str(report.signal),
        "candidates": as_plain(report.candidates),
        "further": further_scores.as_plain(report.further),
        "runs": [
            {
                "entry": str(result.entry),
                "seed": result.seed,
                "metrics": dict(result.metrics),
                "seconds": result.seconds,
            }
            for result in report.results
        ],
        "champion": {
            "model": f"models:/{report.name}@{report.alias or report.promotion.alias or CHALLENGER}",
            "alias": report.alias,
            "why": report.promotion.reason,
            "version": report.model_version,
            "checkpoint": report.champion.checkpoint,
            "unregistered": report.unregistered,
        },
        "untracked": report.untracked,
        "refused": report.refused,
        "refusal": report.refusal,
        "figures_missing": report.figures_missing,
        "directory": str(report.directory),
    }


def _interval_as_json(interval: Interval | None) -> dict[str, Any]:
    """Nothing where there is none: results of older versions print as they did."""
    return {} if interval is None else {"low": interval.low, "high": interval.high, "interval": interval.method}


def _difference_as_json(difference: Difference) -> dict[str, Any]:
    test = difference.test
    return {
        "difference": test.difference,
        **_interval_as_json(test.interval),
        "p": test.p,
        "p_holm": difference.p,
        "p_one_sided": test.p_greater,
        "test": test.method,
        "better": test.better,
    }


def _cell(spread: Spread) -> str:
    if spread.deviation is None:
        return f"{spread.mean * 100:.1f}"
    return f"{spread.mean * 100:.1f} ± {spread.deviation * 100:.1f}"

"""A retraining on a terminal: progress while it runs, and the comparison at its end."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hico_platform.cli.terminal import plain_line, rich_text
from hico_platform.cli.views.pretrain_only import joining
from hico_platform.cli.views.progress_view import ProgressView
from hico_platform.retrain.plan import Entry
from hico_platform.retrain.results import METRICS, Spread
from hico_platform.retrain.run import RetrainReport
from hico_platform.retrain.task_source import RunProgress

LOG_WIDTH = 120


class RetrainView(ProgressView):
    """A bar for each run with the time left; plain lines where there is no terminal."""

    def __init__(self, *, name: str, quiet: bool) -> None:
        self._name = name
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._bars: dict[str, TaskID] = {}
        self._began_s = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.completed:.0f} of {task.total:.0f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[score]}", markup=False),
            console=Console(stderr=True),
            disable=not self._live,
        )

    def __call__(self, now: RunProgress) -> None:
        """Shows the progress of a run."""
        label = f"{now.run.entry.heading}, seed {now.run.seed}"
        epochs = now.run.config.budget.epochs if now.run.entry.is_trained else 1
        score = ""
        done = now.epoch
        if now.result is not None:
            score, done = f"test 1-NN {now.result.metrics['knn_top1']:.1%}", epochs
        elif now.failure is not None:
            score = f"failed: {plain_line((now.failure.splitlines() or [''])[0])}"
        if now.run.key not in self._bars:
            self._bars[now.run.key] = self._progress.add_task(label, total=epochs, score="")
        self._progress.update(self._bars[now.run.key], completed=done, score=score)
        if not self._live and not self._quiet and (now.run.entry.is_trained or score):
            elapsed_s = round(time.monotonic() - self._began_s)
            how_far = f"epoch {done} of {epochs} " if now.run.entry.is_trained else ""
            print(f"{elapsed_s:>5} s  {label}: {how_far}{score}", file=sys.stderr, flush=True)


def print_report(report: RetrainReport, facts: dict[str, str], *, again: str) -> None:
    """The comparison as a table, with the facts that the numbers depend on, and what to do next.

    ``again`` is the command that registers the model or completes the tracking store later.
    """
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    count = max(spread.count for spread in report.summary[Entry.BEST].values())
    words = joining(facts)
    table = Table(
        title=f"{rich_text(report.name)}: test split, {facts['protocol']}, {report.config.budget.epochs} epochs, "
        f"{count} seed{'s' if count > 1 else ''}",
        caption=f"top-1 % (mAP: mean average precision); {facts['train_sequences']} train and "
        f"{facts['test_sequences']} test sequences of {rich_text(facts['dataset'])}{f' ({words})' if words else ''}, "
        f"data {facts['data_digest'][:12]}, "
        f"code {facts['code_version']}",
    )
    table.add_column("")
    names = [name for name in METRICS if any(name in spreads for spreads in report.summary.values())]
    for name in names:
        table.add_column(METRICS[name], justify="right")
    for entry, spreads in report.summary.items():
        cells = [_cell(spreads[name]) if name in spreads else "" for name in names]
        table.add_row(entry.heading, *cells, style="bold" if entry is Entry.BEST else None)
    console.print(table)
    if report.model_version is not None:
        registered = f"models:/{report.name}@champion (version {report.model_version})"
        console.print(f"Registered: {registered}", soft_wrap=True, markup=False)
    console.print(f"Results and checkpoints: {report.directory}", soft_wrap=True, markup=False)
    for line in _missing(report, again=again):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _missing(report: RetrainReport, *, again: str) -> list[str]:
    lines = []
    if report.refused:
        lines.append(f"{report.refused} writes were refused by the tracking store: {report.refusal}")
    if report.untracked:
        lines.append(f"the tracking store was away: {report.untracked} writes are missing there")
    if report.unregistered is not None:
        lines.append(f"The model is not registered: {report.unregistered}")
    if lines:
        lines.append(f"once that is mended, this makes up for it, without training again: {again}")
    return lines


def as_json(report: RetrainReport, facts: dict[str, str]) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "name": report.name,
        "facts": facts,
        "epochs": report.config.budget.epochs,
        "summary": {
            str(entry): {
                name: {"mean": spread.mean, "std": spread.deviation, "seeds": spread.count}
                for name, spread in spreads.items()
            }
            for entry, spreads in report.summary.items()
        },
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
            "model": f"models:/{report.name}@champion",
            "version": report.model_version,
            "checkpoint": report.champion.checkpoint,
            "unregistered": report.unregistered,
        },
        "untracked": report.untracked,
        "refused": report.refused,
        "refusal": report.refusal,
        "directory": str(report.directory),
    }


def _cell(spread: Spread) -> str:
    if spread.deviation is None:
        return f"{spread.mean * 100:.1f}"
    return f"{spread.mean * 100:.1f} ± {spread.deviation * 100:.1f}"

"""An evaluation on a terminal: progress while it runs, and the table of scores at its end."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hico_platform.cli.terminal import plain_line, rich_text
from hico_platform.cli.views.clock import clock
from hico_platform.cli.views.console import console_on, is_screen
from hico_platform.cli.views.progress_view import ProgressView
from hico_platform.commands.evaluation_files import truth_of
from hico_platform.commands.evaluation_report import FEATURES, EntryReport, EvaluationProgress, EvaluationReport
from hico_platform.commands.trained_encoder import TrainedEncoder
from hico_platform.enums import Clusters
from hico_platform.evaluate.intervals import Interval
from hico_platform.evaluate.scores import class_accuracy

LOG_WIDTH = 120
_LINE_EVERY_S = 30.0


class EvaluationView(ProgressView):
    """A bar with the step, its progress and the time left; in a log a line a step, and one now and then within it."""

    def __init__(self, *, quiet: bool, console: Console | None = None) -> None:
        self._console = console or console_on(sys.stderr, goes_on=True)
        self._quiet = quiet
        self._live = is_screen(self._console) and not quiet
        self._began_s = self._line_s = time.monotonic()
        self._step, self._part = 0, ""
        self._part_began_s = self._began_s
        self._took_s: dict[str, float] = {}  # by task, of the entry before
        self._progress = Progress(
            TextColumn("{task.fields[text]}", markup=False),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._live,
        )
        self._bar = self._progress.add_task("", total=None, text="checking data and kernels", left="")

    def __call__(self, now: EvaluationProgress) -> None:
        """Shows how far it is."""
        at_s = time.monotonic()
        if now.number != self._step:
            self._step, self._began_s = now.number, at_s
            self._part, self._part_began_s = "", at_s
        if now.detail != self._part:
            self._part, self._part_began_s = now.detail, at_s
        took_s = at_s - self._began_s
        left_s = self._left(now, at_s)
        left = "" if left_s is None else f"{clock(left_s)} left"
        text = f"{now.number} of {now.steps}: {now.task}, {now.entry}{f', {now.detail}' if now.detail else ''}"
        self._progress.update(
            self._bar, text=text, left=left, total=now.total or None, completed=now.done if now.total else 0
        )
        if now.ended:
            self._took_s[now.task] = took_s
        if now.ended or (took_s > 0 and at_s - self._line_s > _LINE_EVERY_S):
            self._line_s = at_s
            how_far = f": {now.done:,} of {now.total:,}" if now.total and not now.ended else ""
            ended = f" took {clock(took_s)}" if now.ended else f"{how_far} {left}".rstrip()
            if not self._live and not self._quiet:
                print(f"{text}{ended}", file=sys.stderr, flush=True)

    def _left(self, now: EvaluationProgress, at_s: float) -> float | None:
        """Seconds left of a step: as long as the entry before took, else by the progress of it or of its part."""
        known_s = self._took_s.get(now.task)
        if known_s is not None and now.task != FEATURES:
            left_s = known_s - (at_s - self._began_s)
            return left_s if left_s > 0 else None
        if now.total and now.done:
            return (at_s - self._part_began_s) / now.done * (now.total - now.done)
        return None


def print_evaluation(report: EvaluationReport, *, by_class: bool) -> None:
    """The scores as a table, what they depend on, and the accuracy by class on request."""
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    facts = report.facts
    table = Table(
        title=f"{rich_text(facts['dataset'])}, {facts['split']} split, {rich_text(str(facts['protocol']))}",
    )
    table.add_column("")
    for entry in report.entries:
        table.add_column(entry.name, justify="right")
    protocols: dict[str, str] = {}
    tasks = list(dict.fromkeys(result.task for entry in report.entries for result in entry.results))
    for task in tasks:
        rows: dict[str, list[str]] = {}
        for column, entry in enumerate(report.entries):
            for result in entry.results:
                if result.task != task:
                    continue
                protocols.setdefault(task, result.protocol)  # the first: what is chosen by data differs
                for name, score in result.scores.items():
                    cells = rows.setdefault(name, [""] * len(report.entries))
                    cells[column] = cell(score.value, entry.intervals.get(name))
        for name, cells in rows.items():
            table.add_row(name, *cells)
        table.add_section()
    console.print(table)
    lines = [
        f"%, with 95 % intervals; {facts['train_sequences']:,} sequences to train on, "
        f"{facts['scored_sequences']:,} scored{_persons(facts)}, seed {facts['seed']}; "
        f"data {facts['data_digest'][:12]}, code {facts['code_version']}"
    ]
    lines += [f"{task}: {protocol}" for task, protocol in protocols.items()]
    methods = {found.method for entry in report.entries for found in entry.intervals.values()}
    if methods:
        lines.append(f"intervals: {'; '.join(sorted(methods))}")
    for line in [*lines, *_notes(report)]:
        console.print(plain_line(line), soft_wrap=True, markup=False, highlight=False)
    if by_class:
        _print_by_class(console, report)


def cell(value: float, found: Interval | None) -> str:
    """A score in percent with its interval."""
    percent = f"{100 * value:.1f}"
    return percent if found is None else f"{percent} ({100 * found.low:.1f}-{100 * found.high:.1f})"


def as_json(report: EvaluationReport) -> dict[str, Any]:
    """The whole report as plain values."""
    return {**report.facts, "entries": [_entry_as_json(entry, report) for entry in report.entries]}


def _entry_as_json(entry: EntryReport, report: EvaluationReport) -> dict[str, Any]:
    tasks = {}
    for result in entry.results:
        tasks[result.task] = {
            "protocol": result.protocol,
            "scores": {
                name: {"value": score.value, **_interval_as_json(entry.intervals.get(name))}
                for name, score in result.scores.items()
            },
            "facts": dict(result.facts),
            "by_class": class_accuracy_of(entry, result.task, report),
        }
    return {
        "name": entry.name,
        "checkpoint": None if entry.encoder is None else _encoder_as_json(entry.encoder),
        "tasks": tasks,
        "skipped": dict(entry.skipped),
        "seconds": {name: round(seconds, 3) for name, seconds in entry.seconds.items()},
    }


def _encoder_as_json(encoder: TrainedEncoder) -> dict[str, Any]:
    return {
        "source": encoder.source,
        "kind": encoder.kind.value,
        "digest": encoder.digest,
        "epochs": encoder.epochs,
        "stream": encoder.stream.value,
        "provenance": dict(encoder.provenance),
    }


def _interval_as_json(found: Interval | None) -> dict[str, Any]:
    if found is None:
        return {"low": None, "high": None}
    return {"low": found.low, "high": found.high, "interval": found.method, "few_persons": found.few_persons}


def class_accuracy_of(entry: EntryReport, task: str, report: EvaluationReport) -> dict[str, dict[str, float]] | None:
    """The accuracy and the number of sequences of each class that has any; None where a task predicts no classes."""
    result = next((result for result in entry.results if result.task == task), None)
    if result is None or result.predictions is None:
        return None
    truth, class_names = truth_of(result, report)
    if truth is None:
        return None
    shares = class_accuracy(result.predictions, truth, classes=len(class_names))
    counts = truth.bincount(minlength=len(class_names))
    return {
        name: {"accuracy": share, "sequences": count}
        for name, share, count in zip(class_names, shares.tolist(), counts.tolist(), strict=True)
        if count
    }


def _print_by_class(console: Console, report: EvaluationReport) -> None:
    for entry in report.entries:
        if entry.encoder is None:
            continue
        found = {result.task: class_accuracy_of(entry, result.task, report) for result in entry.results}
        columns = {task: classes for task, classes in found.items() if classes}
        if not columns:
            continue
        table = Table(title=f"{entry.name}: accuracy by class, %")
        table.add_column("class")
        table.add_column("sequences", justify="right")
        for task in columns:
            table.add_column(task, justify="right")
        names = list(dict.fromkeys(name for classes in columns.values() for name in classes))
        for name in names:
            counts = [classes[name]["sequences"] for classes in columns.values() if name in classes]
            shares = [
                f"{100 * classes[name]['accuracy']:.1f}" if name in classes else "" for classes in columns.values()
            ]
            table.add_row(rich_text(name), str(counts[0]), *shares)
        console.print(table)


def _notes(report: EvaluationReport) -> list[str]:
    lines = []
    for entry in report.entries:
        if entry.encoder is not None:
            encoder = entry.encoder
            epochs = "epochs not known" if encoder.epochs is None else f"{encoder.epochs} epochs"
            line = f"{entry.name}: {encoder.kind} {encoder.source}, {epochs}, {encoder.stream} stream, "
            lines.append(f"{line}weights {encoder.digest[:12]}")
    first = report.entries[0]
    if first.skipped:
        asks = "; ".join(f"{task} (asks for {missing})" for task, missing in first.skipped.items())
        lines.append(f"not run: {asks}")
    if report.facts.get("overlap"):
        lines.append(f"{report.facts['overlap']} of the scored sequences were trained on, as was allowed")
    return lines


def _persons(facts: Any) -> str:
    return "" if facts["persons"] is None else f" of {Clusters(facts['clusters']).counted(facts['persons'])}"

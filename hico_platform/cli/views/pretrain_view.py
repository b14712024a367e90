"""A pretraining on a terminal: a bar with validation kNN, speed and time left, and the loss by level below.

Elsewhere a line for the first and the last epoch, for each best validation, and at growing intervals.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.console import console_on, is_screen
from hico_platform.cli.views.heartbeat import Heartbeat
from hico_platform.cli.views.phase_line import PhaseLine
from hico_platform.cli.views.progress_view import ProgressView
from hico_platform.enums import Decision, Level
from hico_platform.search.messages import Activity, EpochReport
from hico_platform.train.guards import EpochProgress
from hico_platform.train.loop import EpochResult

_WIDE = 80
"""On a narrower terminal the bar is short."""


class PretrainView(ProgressView):
    """Two lines that stay on a terminal; elsewhere few lines."""

    _progress: _Bar

    def __init__(self, *, epochs: int, quiet: bool, console: Console | None = None) -> None:
        self.epoch = 0  # the last whole one
        self.trained = 0  # epochs that this process trained
        self._epochs = epochs
        self._quiet = quiet
        self._console = console or console_on(sys.stderr, goes_on=True)
        self._live = is_screen(self._console) and not quiet
        self._knn, self._best = "-", -1.0
        self._phase = PhaseLine()
        self._text = ""  # how far it is, in a line
        self._heartbeat = Heartbeat(self._beat)
        self._began_s = time.monotonic()
        self._first: float | None = None  # epochs that were done when this began
        self._progress = _Bar(
            TextColumn("epoch {task.fields[shown]} of {task.total:.0f}"),
            BarColumn(bar_width=20 if self._console.width >= _WIDE else 4),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._bar = self._progress.add_task("", total=epochs, shown=0, text="")

    def __enter__(self) -> Self:
        """Shows it from here on."""
        if not self._live and not self._quiet:
            self._heartbeat.__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last state on the screen."""
        if not self._live and not self._quiet:
            self._heartbeat.__exit__(kind, error, trace)
        super().__exit__(kind, error, trace)

    def phase(self, phase: str) -> None:
        """Something else than training goes on."""
        if phase == Activity.TRAINING:
            self._phase.end()
            if self._first is None:  # compiling kernels tells nothing of how long an epoch takes
                self._began_s = time.monotonic()
        elif self._phase.begin(str(phase)):
            self._progress.phase = self._phase
            if phase != Activity.EVALUATING or self.epoch >= self._epochs:  # else it is a validation
                self._line(str(phase))

    def making(self, what: str, done: int, total: int) -> None:
        """So much of a generated dataset is made."""
        self.phase(f"making the {what} dataset")
        self._phase.progress(done, total)

    def _beat(self) -> None:
        self._line(str(self._phase) or self._text)

    def watch(self, result: EpochResult) -> None:
        """Shows a finished epoch."""
        self.epoch = result.epoch
        self.trained += 1
        self._show(result.epoch, result.epoch, "", result.losses, result.sequences_per_s)

    def progress(self, now: EpochProgress) -> None:
        """Shows the progress of an epoch."""
        self.epoch = max(self.epoch, now.epoch - 1)
        done = now.epoch - 1 + now.step / now.steps
        within = f" step {now.step} of {now.steps}"
        self._show(done, now.epoch, within, now.losses, now.sequences_per_s)

    def report(self, report: EpochReport) -> Decision:
        """Shows the score of a validation, of this process or of an interrupted one; the answer is to go on."""
        self.epoch = report.epoch
        self._begin(report.epoch)
        if "knn_top1" not in report.metrics:  # there are no labels
            return Decision.CONTINUE
        self._knn = f"{report.metrics['knn_top1']:.1%}"
        if report.metrics["knn_top1"] > self._best:
            self._best = report.metrics["knn_top1"]
            self._line(f"epoch {report.epoch} of {self._epochs} validation kNN {self._knn}, the best so far")
        return Decision.CONTINUE

    def _show(self, done: float, epoch: int, within: str, losses: Mapping[str, float], sequences_per_s: float) -> None:
        self._begin(epoch - 1)
        levels = " ".join(f"{level} {losses[f'loss_{level}']:.2f}" for level in Level)
        loss = f"loss {losses['loss']:.2f} ({levels})"
        text = f"kNN {self._knn} {sequences_per_s:,.0f} sequences/s ETA {self._left(done)}"
        self._progress.below = loss
        self._progress.update(self._bar, completed=done, shown=epoch, text=text)
        self._phase.end()
        self._text = f"epoch {epoch} of {self._epochs}{within} {loss} {text}"
        if not within and (self.trained == 1 or epoch >= self._epochs):
            self._line(self._text)

    def _begin(self, epochs_before: int) -> None:
        """Takes note of the epochs that were done before: time left is estimated from those of this process."""
        if self._first is not None:
            return
        self._first = epochs_before
        self._progress.update(self._bar, completed=epochs_before, shown=epochs_before)
        if epochs_before >= self._epochs:
            self._line(f"all {self._epochs} epochs were trained before: evaluated again, nothing is trained")
        elif epochs_before:
            self._line(f"going on after epoch {epochs_before} of {self._epochs}")

    def _left(self, done: float) -> str:
        passed = done - (self._first or 0)
        if passed <= 0:
            return "-"
        seconds = round((time.monotonic() - self._began_s) / passed * (self._epochs - done))
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"

    def _line(self, text: str) -> None:
        if text and not self._live and not self._quiet:
            self._console.print(Text(plain_line(text)), soft_wrap=True)


class _Bar(Progress):
    """A bar with a line of text below."""

    below = ""
    phase: PhaseLine | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.below:
            yield Text(self.below, no_wrap=True, overflow="ellipsis")
        if self.phase is not None and self.phase.name:
            yield Text(str(self.phase), style="cyan", no_wrap=True, overflow="ellipsis")

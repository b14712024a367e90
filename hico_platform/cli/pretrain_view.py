"""A pretraining on a terminal: one bar with loss by level, validation kNN, speed and time left."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hico_platform.pretrain.loop import EpochResult
from hico_platform.trial import EpochReport
from hico_platform.vocabulary import Decision, Level


class PretrainView:
    """A bar on a terminal; a line an epoch in a log."""

    def __init__(self, *, epochs: int, quiet: bool) -> None:
        self._epochs = epochs
        self._knn = "-"
        self._live = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("epoch {task.completed:.0f} of {task.total:.0f}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[losses]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not self._live,
        )
        self._bar = self._progress.add_task("", total=epochs, losses="")

    def __enter__(self) -> PretrainView:
        """Shows the bar from here on."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last state on the screen."""
        self._progress.stop()

    def watch(self, result: EpochResult) -> None:
        """An epoch is done."""
        levels = " ".join(f"{level} {result.losses[f'loss_{level}']:.2f}" for level in Level)
        text = f"loss {result.losses['loss']:.2f} ({levels}) {result.sequences_per_s:,.0f} seq/s kNN {self._knn}"
        self._progress.update(self._bar, completed=result.epoch, losses=text)
        if not self._live and not self._quiet:
            print(f"epoch {result.epoch} of {self._epochs} {text}", file=sys.stderr, flush=True)

    def report(self, said: EpochReport) -> Decision:
        """A validation is done."""
        self._knn = f"{said.metrics['knn_top1']:.1%}"
        if not self._live and not self._quiet:
            print(f"epoch {said.epoch} of {self._epochs} validation kNN {self._knn}", file=sys.stderr, flush=True)
        return Decision.CONTINUE

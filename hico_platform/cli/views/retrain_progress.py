"""A retraining while it runs: a live table of its runs on a terminal, a few lines elsewhere, everything in its log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.clock import clock
from hico_platform.cli.views.live_or_lines import LiveOrLines
from hico_platform.cli.views.output import Output
from hico_platform.cli.views.phase_line import INTERRUPTED, PhaseLine
from hico_platform.cli.views.search_picture import GAP, packed
from hico_platform.enums import Part, Signal
from hico_platform.interruptions import is_interrupted
from hico_platform.retrain.promotion import tested_metric
from hico_platform.retrain.results import METRICS
from hico_platform.retrain.task_source import Overall, RunProgress
from hico_platform.search.messages import Activity
from hico_platform.search.phases import DriverWatch, Phase

_PARTS = {Part.VAL: "validation", Part.TEST: "test"}
_STYLES = {"ended": "green", "failed": "red"}


class RetrainView:
    """Shows the runs of a retraining with the time left of all.

    Where the screen is not redrawn there is a line when a phase begins, when a run begins or ends, and now and then for
    the whole. The log has every report.

    Args:
        name: of the search or configuration.
        output: where it is shown.
    """

    def __init__(self, *, name: str, output: Output) -> None:
        self._name = name
        self._output = output
        self._log: Path | None = None
        self._signal = Signal.KNN_TOP1
        self._runs: dict[str, RunProgress] = {}
        self._overall: Overall | None = None
        self._phase = PhaseLine()
        self._began_s = time.monotonic()
        self._showing = LiveOrLines(
            output, render=self._render, beat=self._beat, on_interrupt=lambda: self._line(INTERRUPTED)
        )
        self._is_over = False
        self.watch = DriverWatch(on_phase=self.phase)
        """What the driver tells of its work besides the progress of runs."""

    def __enter__(self) -> RetrainView:
        """Begins to show."""
        self._showing.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves every run on the terminal."""
        self._is_over = True
        self._phase.end()
        self._showing.end()

    def begins(self, name: str, *, log: Path, signal: Signal = Signal.KNN_TOP1) -> None:
        """The inputs are known; the log is opened there once this process holds the retraining's lock.

        ``signal`` is what the search went by, which chooses among candidates: runs are shown with their score in it.
        """
        self._name, self._log, self._signal = name, log, signal

    def phase(self, phase: str) -> None:
        """A phase in which no run is trained has begun."""
        if phase == Phase.TRACKING and self._log is not None:
            self._output.open_log(self._log)
        if self._phase.begin(str(phase)):
            self._line(str(phase), style="dim")

    def making(self, what: str, done: int, total: int) -> None:
        """So much of a generated dataset is made."""
        self.phase(f"making the {what} dataset")
        self._phase.progress(done, total)

    def __call__(self, now: RunProgress) -> None:
        """Shows the progress of a run."""
        before = self._runs.get(now.run.key)
        if now.doing is not None and before is not None and now.epoch < before.epoch:
            return  # a heartbeat that came later than the report
        self._runs[now.run.key] = now
        self._overall = now.overall or self._overall
        if now.doing is not None and now.doing is not Activity.TRAINING and not self._has_trained:
            self.phase(now.doing)
        elif now.doing is Activity.TRAINING or now.result is not None:
            self._phase.end()
        words = self._words(now)
        if before is None or now.result is not None or now.failure is not None or now.further:
            left = "" if self._left() is None else f" | {self._left()}"
            self._line(f"{now.run.heading}: {words}{left}", style="red" if now.failure is not None else None)
        elif now.doing is None or before.doing is not now.doing:
            self._output.note(f"{now.run.heading}: {words}")

    @property
    def _has_trained(self) -> bool:
        return any(one.epoch > 0 for one in self._runs.values())

    def _words(self, now: RunProgress) -> str:
        """How far a run is, or what it came to."""
        if now.failure is not None:
            return f"failed: {plain_line((now.failure.splitlines() or [''])[0])}"
        if now.further:
            return f"{'ended' if now.result else 'begins'}: {', '.join(now.further)}"
        if now.result is not None:
            name, value = self._score(now.run.entry.part, now.result.metrics)
            return f"{_PARTS[now.run.entry.part]} {name} {value}"
        if not now.run.entry.is_trained:
            return "begins"
        doing = "" if now.doing is None or now.doing is Activity.TRAINING else f", {now.doing}"
        return f"epoch {now.epoch} of {now.run.config.budget.epochs}{doing}"

    def _score(self, part: Part, metrics: Mapping[str, float]) -> tuple[str, str]:
        """Name and value: on validation of what the search went by, on the test split of what tests a champion."""
        metric = tested_metric(self._signal) if part is Part.TEST else self._signal.metric
        metric = metric if metric in metrics else Signal.KNN_TOP1.metric
        return METRICS.get(metric, self._signal.heading), f"{metrics[metric]:.1%}"

    def _left(self) -> str | None:
        if self._overall is None or self._overall.left_s is None or self._overall.epochs >= self._overall.of:
            return None  # after the last epoch there is evaluation, which no epoch foretells
        return f"about {clock(self._overall.left_s)} left of all"

    def _line(self, text: str, *, style: str | None = None) -> None:
        if not self._showing.is_live and not self._output.quiet:
            self._output.say(f"[{clock(time.monotonic() - self._began_s)}] {text}", style=style)
        else:
            self._output.note(text)

    def _beat(self) -> None:
        if not is_interrupted():
            self._line(", ".join(self._facts()), style="dim")

    def _facts(self) -> list[str]:
        """The retraining in one line."""
        facts = [f"{self._name}: retraining"]
        ended = sum(one.result is not None or one.failure is not None for one in self._runs.values())
        running = len(self._runs) - ended
        facts += [f"{ended} runs ended", f"{running} running"] if self._runs and not self._is_over else []
        if self._overall is not None and self._overall.of:
            facts.append(f"{self._overall.epochs:,} of {self._overall.of:,} epochs")
        if self._phase.name:
            facts.append(str(self._phase))
        if (left := self._left()) is not None and not self._is_over:
            facts.append(left)
        return facts

    def _render(self) -> RenderableType:
        return _Picture(self)

    def lines(self, *, width: int, height: int | None) -> list[Text]:
        """The retraining as lines: the headline, and a line for each run or for those that fit."""
        facts = self._facts()
        if not self._is_over:
            facts.append(f"elapsed {clock(time.monotonic() - self._began_s)}")
        head = [Text(line, style="bold") for line in packed(facts, width=width)]
        if is_interrupted() and not self._is_over:
            head.append(Text(INTERRUPTED, style="magenta"))
        rows = [self._row(one) for one in self._runs.values()]
        room = len(rows) if height is None else max(0, height - len(head))
        if len(rows) > room:
            at_work = [row for row in rows if row[1] not in _STYLES]
            rest = [row for row in rows if row[1] in _STYLES]
            rows = [*rest[len(rest) - max(0, room - 1 - len(at_work)) :], *at_work][-max(0, room - 1) :] if room else []
            head.append(Text(f"{len(self._runs) - len(rows)} runs are not shown", style="dim"))
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        for row in rows:
            text = Text(no_wrap=True, overflow="ellipsis")
            for cell, cell_width in zip(row[:3], widths, strict=True):
                text.append(cell.ljust(cell_width) + GAP, _STYLES.get(cell))
            text.append(row[3])
            text.rstrip()
            head.append(text)
        for line in head:
            line.truncate(width, overflow="ellipsis")
        return head if height is None else head[:height]

    def _row(self, now: RunProgress) -> tuple[str, str, str, str]:
        epochs = f"{now.epoch}/{now.run.config.budget.epochs}" if now.run.entry.is_trained else ""
        if now.failure is not None:
            return now.run.heading, "failed", epochs, plain_line((now.failure.splitlines() or [""])[0])
        if now.result is not None:
            whole = f"{now.run.config.budget.epochs}/{now.run.config.budget.epochs}" if epochs else ""
            name, value = self._score(now.run.entry.part, now.result.metrics)  # the value first: a name may be cut
            return now.run.heading, "ended", whole, f"{value} {_PARTS[now.run.entry.part]} {name}"
        if now.further:
            return now.run.heading, "evaluating", epochs, ", ".join(now.further)
        return now.run.heading, "evaluating" if now.doing is Activity.EVALUATING else "running", epochs, ""


class _Picture:
    """What the live screen draws: as much as fits while it runs, everything at the end."""

    def __init__(self, view: RetrainView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        height = None if self._view._is_over else console.size.height - 1
        yield from self._view.lines(width=options.max_width, height=height)

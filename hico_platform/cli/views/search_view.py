"""Shows a search while it runs: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live

from hico_platform.cli.terminal import plain_line
from hico_platform.cli.views.search_picture import SearchPicture, clock, shown_score, shown_values
from hico_platform.config.space import CheckedSpace
from hico_platform.search.eta import seconds_left
from hico_platform.search.events import Event, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.ledger.base import SearchRecord, TrialRecord, best_trial
from hico_platform.search.objectives import pareto_front
from hico_platform.search.state import search_progress, trial_status


class SearchView:
    """Shows a search as it goes; an observer of its events and a context in which it is shown."""

    def __init__(self, *, space: CheckedSpace, limit: int, name: str, console: Console) -> None:
        self._space = space
        self._limit = limit
        self._name = name
        self._console = console
        self._trials: dict[int, TrialRecord] = {}
        self._began_at_s, self._began_s = time.time(), time.monotonic()
        self._has_driver, self._has_ended = True, False  # this process is the driver
        self._live: Live | None = None

    def __enter__(self) -> SearchView:
        """Begins to show."""
        if is_screen(self._console):
            self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=2, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves every trial on the terminal, with the state in which the search is left."""
        self._has_driver, self._has_ended = False, error is None
        if self._live is not None:
            self._live.stop()  # draws a last time, with every trial

    def on_start(self, search: SearchRecord, trials: Sequence[TrialRecord]) -> None:
        """Takes over the limit and the trials of earlier drivers, so that counts and the best are right."""
        self._limit = search.limit
        self._trials |= {trial.number: trial for trial in trials}

    def __call__(self, event: Event) -> None:
        """Shows an event."""
        number = event.trial.number if isinstance(event, TrialBegan) else event.number
        known = number in self._trials
        if isinstance(event, TrialBegan):
            self._trials[number] = dataclasses.replace(event.trial, began_at_s=time.time())
        elif isinstance(event, TrialReported):
            trial = self._trials[number]
            self._trials[number] = dataclasses.replace(trial, reports=(*trial.reports, event.report))
        else:
            self._trials[number] = dataclasses.replace(
                self._trials[number], state=event.ending.state, ending=event.ending
            )
        if self._live is None:
            line = self._line(event, self._trials[number], known=known)
            if line:
                self._console.print(plain_line(line), highlight=False, soft_wrap=True, markup=False)

    def _line(self, event: Event, trial: TrialRecord, *, known: bool) -> str:
        prefix = f"[{clock(time.monotonic() - self._began_s)}] trial {trial.number}"
        if isinstance(event, TrialBegan):
            # Only the worker knows from which epoch it resumes: a checkpoint may be missing.
            begins = "taken up again" if known or trial.reports else "begins"
            begins += f", last report at epoch {trial.epoch}" if trial.reports else ""
            return f"{prefix} {begins}: {shown_values(trial.values)}"
        if isinstance(event, TrialEnded):
            what = trial_status(trial, has_driver=True).word
            what += f": {event.ending.reason}" if event.ending.reason else ""
            scores = "".join(f" {name} {value:.3f}" for name, value in event.ending.metrics.items())
            return f"{prefix} {what} at epoch {trial.epoch}{scores} | {self.picture().headline}"
        score = shown_score(event.report.value, event.report.standard_error)
        signal = self._space.settings.objectives[0]
        return f"{prefix} epoch {trial.epoch}/{self._epochs} {signal} {score} {event.report.decision}"

    @property
    def _epochs(self) -> int:
        return self._space.base.budget.epochs

    def picture(self) -> SearchPicture:
        """The search at this moment."""
        trials = [self._trials[number] for number in sorted(self._trials)]
        now_s, objectives = time.time(), self._space.settings.objectives
        progress = search_progress(
            trials,
            limit=self._limit,
            max_failures=self._space.settings.resources.max_failures,
            has_driver=self._has_driver,
            has_ended=self._has_ended,
        )
        is_over = progress.begun >= self._limit and progress.ended == progress.begun
        left_s = None
        if self._has_driver and not is_over:
            left_s = seconds_left(trials, limit=self._limit, now_s=now_s, sessions=(self._began_at_s,))
        return SearchPicture(
            name=self._name,
            progress=progress,
            trials=trials,
            epochs=self._epochs,
            best=best_trial(trials),
            has_driver=self._has_driver,
            objectives=objectives,
            front=pareto_front(trials, objectives),
            elapsed_s=time.monotonic() - self._began_s,
            left_s=left_s,
        )

    def _render(self) -> RenderableType:
        picture = self.picture()
        return picture if self._has_driver else Group(*picture.whole())


def console_on(file: TextIO, *, goes_on: bool = False) -> Console:
    """A console on a stream: a terminal where it is one, whatever variables say (``FORCE_COLOR`` in a pipe).

    Where the reader of a pipe goes away, what is printed goes nowhere if the work ``goes_on`` (a search's results
    are in its ledger); else that raises BrokenPipeError.
    """
    return _Console(goes_on, file=file, force_terminal=None if file.isatty() else False)


class _Console(Console):
    def __init__(self, goes_on: bool, **options: Any) -> None:
        super().__init__(**options)
        self._goes_on = goes_on

    def on_broken_pipe(self) -> None:
        """Rich would end the process, with exit code 1 and in silence."""
        if not self._goes_on:
            raise BrokenPipeError
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def is_screen(console: Console) -> bool:
    """Whether lines can be redrawn: a terminal, and not a dumb one (``TERM=dumb``)."""
    return console.is_terminal and not console.is_dumb_terminal

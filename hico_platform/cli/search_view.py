"""What a search looks like while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace, Objective
from hico_platform.search.events import Event, TrialBegan, TrialEnded, TrialReported
from hico_platform.search.ledger.base import SearchRecord, TrialRecord, TrialState, best_trial
from hico_platform.search.objectives import pareto_front
from hico_platform.search.progress import seconds_left

ENCODER = "model.encoder"
MOST_ROWS = 24
_STYLES = {
    TrialState.RUNNING: "cyan",
    TrialState.COMPLETE: "green",
    TrialState.PRUNED: "yellow",
    TrialState.FAILED: "red",
}
_WORDS = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAILED: "failed",
}


class SearchView:
    """Shows a search as it goes; an observer of its events and a context in which it is shown."""

    def __init__(self, *, space: CheckedSpace, limit: int, name: str, console: Console) -> None:
        self._space = space
        self._limit = limit
        self._name = name
        self._console = console
        self._trials: dict[int, TrialRecord] = {}
        self._evaluating: set[int] = set()
        self._began_s = time.time()
        self._live: Live | None = None

    def __enter__(self) -> SearchView:
        """Begins to show."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=2, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last picture on the screen."""
        if self._live is not None:
            self._live.stop()

    def know(self, search: SearchRecord, trials: Sequence[TrialRecord]) -> None:
        """The limit, and trials of an earlier driver, so that counts and the best are right."""
        self._limit = search.limit
        self._trials |= {trial.number: trial for trial in trials}

    def __call__(self, event: Event) -> None:
        """Takes an event in."""
        number = event.trial.number if isinstance(event, TrialBegan) else event.number
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
            line = self._line(event, self._trials[number])
            if line:
                self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    def _line(self, event: Event, trial: TrialRecord) -> str:
        prefix = f"[{clock(time.time() - self._began_s)}] trial {trial.number}"
        if isinstance(event, TrialBegan):
            went_on = f"continues at epoch {trial.epoch}" if trial.reports else "begins"
            return f"{prefix} {went_on}: {shown_values(trial.values)}"
        if isinstance(event, TrialEnded):
            what = _WORDS[trial.state] + (f": {event.ending.reason}" if event.ending.reason else "")
            scores = " ".join(f"{name} {value:.3f}" for name, value in event.ending.metrics.items())
            return f"{prefix} {what} at epoch {trial.epoch} {scores} | {self._headline()}"
        return f"{prefix} epoch {trial.epoch}/{self._epochs} knn_top1 {trial.value:.3f} {event.report.decision}"

    @property
    def _epochs(self) -> int:
        return self._space.base.budget.epochs

    def _headline(self) -> str:
        trials = list(self._trials.values())
        ended = sum(trial.state.is_final for trial in trials)
        best = best_trial(trials)
        left_s = seconds_left(trials, limit=self._limit, now_s=time.time(), sessions=(self._began_s,))
        parts = [f"{ended} of {self._limit} trials"]
        if best is not None and best.value is not None:
            parts.append(f"best knn_top1 {best.value:.3f} (trial {best.number}, epoch {best.epoch})")
        parts.append(f"elapsed {clock(time.time() - self._began_s)}")
        if ended < self._limit:
            parts.append("ETA -" if left_s is None else f"ETA {clock(left_s)}")
        return ", ".join(parts)

    def _render(self) -> RenderableType:
        trials = sorted(self._trials.values(), key=lambda trial: (not trial.state.is_final, trial.number))
        return Group(
            trial_table(
                trials[-MOST_ROWS:],
                epochs=self._epochs,
                best=best_trial(trials),
                objectives=self._space.settings.objectives,
                front=pareto_front(trials, self._space.settings.objectives),
            ),
            Text(f"{self._name}: {self._headline()}", style="bold"),
        )


def trial_table(
    trials: Sequence[TrialRecord],
    *,
    epochs: int,
    best: TrialRecord | None,
    objectives: Sequence[Objective] = (Objective.KNN,),
    front: Sequence[TrialRecord] = (),
) -> Table:
    """Trials as a table; the best is marked by *, and with several objectives the Pareto front by +."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    weighed_by = ["size" if one is Objective.PARAMETERS else str(one) for one in objectives]
    for heading in ("trial", "encoder", "parameters", "epoch", *weighed_by, "state"):
        table.add_column(heading, justify="right" if heading in {"trial", "epoch", *weighed_by} else "left")
    unbeaten = {trial.number for trial in front} if len(objectives) > 1 else set()
    for trial in trials:
        value = "" if trial.value is None else f"{trial.value:.3f}"
        value += " +" if trial.number in unbeaten else ""
        is_best = best is not None and trial.number == best.number
        weighed = [f"{measure:,.0f}" for measure in trial.measures[1:]] if len(objectives) > 1 else []
        table.add_row(
            str(trial.number),
            str(trial.values.get(ENCODER, "")),
            shown_values({name: value for name, value in trial.values.items() if name != ENCODER}),
            f"{trial.epoch}/{epochs}",
            f"[bold]{value} *[/bold]" if is_best else value,
            *(weighed or [""] * (len(objectives) - 1)),
            Text(_WORDS[trial.state], style=_STYLES[trial.state]),
        )
    return table


def shown_values(values: Mapping[str, Scalar]) -> str:
    """``temperature 0.11, clip 0.62``: values by the last part of their names."""
    return ", ".join(
        f"{name.rpartition('.')[2]} {value:.3g}" if isinstance(value, float) else f"{name.rpartition('.')[2]} {value}"
        for name, value in values.items()
    )


def shown_measures(measures: Sequence[float], objectives: Sequence[Objective]) -> str:
    """``knn_top1 0.512, parameters 72,576``."""
    return ", ".join(
        f"{name} {value:.3f}" if name is Objective.KNN else f"{name} {value:,.0f}"
        for name, value in zip(objectives, measures, strict=True)
    )


def stopped_when(trials: Sequence[TrialRecord]) -> str:
    """``5 stopped at epoch 1, 2 at epoch 3, 3 complete, 1 failed``."""
    stopped = Counter(trial.epoch for trial in trials if trial.state is TrialState.PRUNED)
    parts = [
        f"{count} {'stopped ' if index == 0 else ''}at epoch {epoch}"
        for index, (epoch, count) in enumerate(sorted(stopped.items()))
    ]
    for state in (TrialState.COMPLETE, TrialState.FAILED, TrialState.RUNNING):
        count = sum(trial.state is state for trial in trials)
        if count:
            parts.append(f"{count} {_WORDS[state]}")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """``1:02:03`` or ``4:05``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

"""A search at one moment as lines: a headline, and one line a trial, for a screen of any size or for a pipe."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.text import Text

from hico_platform.cli.views.clock import clock
from hico_platform.config.schema import Scalar
from hico_platform.config.space import Objective
from hico_platform.search.ledger.base import TrialRecord, TrialState
from hico_platform.search.messages import Activity
from hico_platform.search.state import SearchProgress, TrialStatus, trial_status
from hico_platform.search.task import TrialActivity

ENCODER = "model.encoder"
GAP = "  "
LEAST_TRIALS = 3
"""Lines that trials keep on the lowest screen; headline and notes are cut for them."""

_STYLES = {
    TrialStatus.RUNNING: "cyan",
    TrialStatus.INTERRUPTED: "magenta",
    TrialStatus.COMPLETE: "green",
    TrialStatus.PRUNED: "yellow",
    TrialStatus.FAILED: "red",
}


_DOING = {Activity.DATA: "opening data", Activity.KERNELS: "compiling", Activity.EVALUATING: "evaluating"}
STARTING = "starting"
"""A trial whose worker has not said anything."""


@dataclass(frozen=True, kw_only=True)
class SearchPicture:
    """A search at one moment, as it is shown; on a live screen it is never taller or wider than that.

    Args:
        name: of the search.
        progress: its state and counts.
        trials: all of them.
        epochs: of a whole trial.
        best: the best trial so far.
        has_driver: whether a live process has the search.
        objectives: of the space.
        front: the Pareto front, with several objectives.
        elapsed_s: seconds since this driver began, if that is shown.
        left_s: estimate of the seconds left, if there is one.
        ended_by: the rule that ended the search before its limit, if one did.
        notes: further lines, left out where the screen is low.
        phase: what goes on while no trial reports, in words; empty where trials do.
        activities: what running trials do between reports, by number; None where only the ledger is known.
    """

    name: str
    progress: SearchProgress
    trials: Sequence[TrialRecord]
    epochs: int
    best: TrialRecord | None
    has_driver: bool
    objectives: Sequence[Objective] = (Objective.KNN,)
    front: Sequence[TrialRecord] = ()
    elapsed_s: float | None = None
    left_s: float | None = None
    ended_by: str | None = None
    notes: Sequence[str] = ()
    phase: str = ""
    activities: Mapping[int, TrialActivity] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines that fit; the last line of the screen is left to the cursor."""
        yield from self.fitting(width=options.max_width, height=console.size.height - 1)

    @functools.cached_property
    def _on_front(self) -> frozenset[int]:
        return frozenset(trial.number for trial in self.front)

    @property
    def headline(self) -> str:
        """The search in one line."""
        return ", ".join(self._facts())

    def whole(self) -> list[Text]:
        """Every trial in full, then the notes and the headline, to scroll through or to pipe."""
        return [*self._table(self.trials), *map(Text, self.notes), Text(self.headline, style="bold")]

    def plain(self) -> list[str]:
        """The same without styles: for a pipe, which may be given thousands of trials."""
        table = self._cells(self.trials)
        return [*(table.plain(row) for row in table.rows), *self.notes, self.headline]

    def fitting(self, *, width: int, height: int) -> list[Text]:
        """The headline, the notes and one line a trial: those at work and the newest, in at most ``height`` lines."""
        facts = packed(self._facts(), width=width)[: max(1, height - 1 - LEAST_TRIALS)]
        head = [Text(line, style="bold") for line in facts]
        head += [Text(self.phase, style="cyan")] if self.phase else []
        room = height - len(head) - 1  # a line for the table's heading
        if room >= len(self.notes) + 2 * LEAST_TRIALS:
            head += map(Text, self.notes)
            room -= len(self.notes)
        shown = self.trials
        if len(shown) > room:
            room = max(0, room - 1)  # a line for how many are left out
            newest = sorted(shown, key=lambda trial: (not trial.state.is_final, trial.number))[len(shown) - room :]
            shown = sorted(newest, key=lambda trial: trial.number)
        lines = [*head, *self._table(shown)]
        if len(shown) < len(self.trials):
            lines.insert(len(head), Text(_left_out(self.trials, shown), style="dim"))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines[:height]

    def _facts(self) -> list[str]:
        """The facts of the headline, the most important first."""
        facts = [f"{self.name}: {self.progress.state}", *self.progress.parts]
        if self.left_s is not None:
            facts.append(f"ETA {clock(self.left_s)}")
        if self.elapsed_s is not None:
            facts.append(f"elapsed {clock(self.elapsed_s)}")
        if self.best is not None and self.best.value is not None:
            score = shown_score(self.best.value, self.best.standard_error)
            facts.append(f"best {self.objectives[0]} {score} (trial {self.best.number}, epoch {self.best.epoch})")
        if len(self.objectives) > 1:
            facts.append(f"Pareto front (+) of {len(self.front)}")
        facts += endings(self.trials)
        if self.ended_by:
            facts.append(f"ended by: {self.ended_by}")
        return facts

    def _table(self, trials: Sequence[TrialRecord]) -> list[Text]:
        """A heading and a line for each trial; the column that may be cut off on the right is the last."""
        table = self._cells(trials)
        best = None if self.best is None else self.best.number
        styles = ({1: _STYLES[status]} for status in table.statuses)
        return [
            *(table.styled(row, "dim", {}) for row in table.rows[:1]),
            *(
                table.styled(row, "", style | ({3: "bold"} if trial.number == best else {}))
                for row, style, trial in zip(table.rows[1:], styles, trials, strict=True)
            ),
        ]

    def _cells(self, trials: Sequence[TrialRecord]) -> _Cells:
        if not trials:
            return _Cells(rows=[], statuses=[], columns=[], to_the_right=frozenset())
        weighed_by = ["size" if one is Objective.PARAMETERS else str(one) for one in self.objectives]
        headings = ["trial", "state", "epoch", *weighed_by, "encoder", "parameters"]
        statuses = [trial_status(trial, has_driver=self.has_driver) for trial in trials]
        rows = [self._row(trial, status) for trial, status in zip(trials, statuses, strict=True)]
        columns = [
            column for column in range(len(headings)) if column < 4 or any(row[column] for row in rows)
        ]  # a column without anything in it is left out
        right = {"trial", "epoch", *weighed_by[1:]}
        return _Cells(
            rows=[headings, *rows],
            statuses=statuses,
            columns=columns,
            to_the_right=frozenset(column for column in columns if headings[column] in right),
        )

    def _row(self, trial: TrialRecord, status: TrialStatus) -> list[str]:
        """The cells of a trial; the best is marked by *, and with several objectives the Pareto front by +."""
        several = len(self.objectives) > 1
        value = "" if trial.value is None else shown_score(trial.value, trial.standard_error)
        value += " +" if several and trial.number in self._on_front else ""
        value += " *" if self.best is not None and self.best.number == trial.number else ""
        measures = [f"{measure:,.0f}" for measure in trial.measures[1:]] if several else []
        word, epoch = self._at_work(trial, status)
        return [
            str(trial.number),
            word,
            f"{epoch}/{self.epochs}",
            value,
            *(measures or [""] * (len(self.objectives) - 1)),
            str(trial.values.get(ENCODER, "")),
            shown_values({name: value for name, value in trial.values.items() if name != ENCODER}),
        ]

    def _at_work(self, trial: TrialRecord, status: TrialStatus) -> tuple[str, int]:
        """What a trial does and its last epoch: by its heartbeats where they tell more than its reports."""
        activity = None if self.activities is None else self.activities.get(trial.number)
        if status is TrialStatus.INTERRUPTED:
            return status.word, max(trial.epoch, 0 if activity is None else activity.epoch or 0)
        if self.activities is None or status is not TrialStatus.RUNNING:
            return status.word, trial.epoch
        if activity is None:
            return STARTING, trial.epoch
        word = status.word if activity.doing is None else _DOING.get(activity.doing, status.word)
        return word, max(trial.epoch, activity.epoch or 0)


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """A table of trials before it is laid out: rows with the heading first, the states, and the columns shown."""

    rows: Sequence[Sequence[str]]
    statuses: Sequence[TrialStatus]
    columns: Sequence[int]
    to_the_right: frozenset[int]

    @functools.cached_property
    def _widths(self) -> list[int]:
        return [max(len(row[column]) for row in self.rows) for column in self.columns]

    @functools.cached_property
    def _line(self) -> str:
        return GAP.join(
            f"{{{column}:{'>' if column in self.to_the_right else '<'}{width}}}"
            for column, width in zip(self.columns, self._widths, strict=True)
        )

    def plain(self, cells: Sequence[str]) -> str:
        """A row as it is laid out."""
        return self._line.format(*cells).rstrip()

    def styled(self, cells: Sequence[str], style: str, styles: Mapping[int, str]) -> Text:
        """The same, with the styles of some of its columns."""
        text = Text(style=style, no_wrap=True, overflow="ellipsis")
        for column, width in zip(self.columns, self._widths, strict=True):
            cell = cells[column]
            text.append(GAP if column else "")
            text.append(cell.rjust(width) if column in self.to_the_right else cell.ljust(width), styles.get(column))
        text.rstrip()
        return text


def shown_values(values: Mapping[str, Scalar]) -> str:
    """``temperature 0.11, clip 0.62``: values by the last part of their names."""
    return ", ".join(
        f"{name.rpartition('.')[2]} {value:.3g}" if isinstance(value, float) else f"{name.rpartition('.')[2]} {value}"
        for name, value in values.items()
    )


def shown_score(value: float, standard_error: float | None) -> str:
    """``0.512±0.028``, or ``0.512`` where the standard error is not known."""
    return f"{value:.3f}" if standard_error is None else f"{value:.3f}±{standard_error:.3f}"


def shown_measures(measures: Sequence[float], objectives: Sequence[Objective]) -> str:
    """``knn_top1 0.512, parameters 72,576``."""
    return ", ".join(
        f"{name} {value:.3f}" if name.signal is not None else f"{name} {value:,.0f}"
        for name, value in zip(objectives, measures, strict=True)
    )


def endings(trials: Sequence[TrialRecord]) -> list[str]:
    """``5 stopped at epoch 1``, ``2 at epoch 3``, ``3 complete``, ``1 failed``: how trials ended."""
    stopped = Counter(trial.epoch for trial in trials if trial.state is TrialState.PRUNED)
    parts = [
        f"{count} {'' if index else f'{TrialStatus.PRUNED.word} '}at epoch {epoch}"
        for index, (epoch, count) in enumerate(sorted(stopped.items()))
    ]
    for state in (TrialState.COMPLETE, TrialState.FAILED):
        count = sum(trial.state is state for trial in trials)
        if count:
            parts.append(f"{count} {TrialStatus(state).word}")
    return parts


def packed(parts: Sequence[str], *, width: int) -> list[str]:
    """Parts with commas between them, in lines of at most ``width``; none is broken, a longer one is cut off."""
    lines = [""]
    for index, part in enumerate(parts):
        text = part if index + 1 == len(parts) else f"{part},"
        joined = f"{lines[-1]} {text}" if lines[-1] else text
        if len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(text)
    return lines


def _left_out(trials: Sequence[TrialRecord], shown: Sequence[TrialRecord]) -> str:
    count = len(trials) - len(shown)
    first = min((trial.number for trial in shown), default=0)
    earlier = all(trial.number < first for trial in trials if trial not in shown)
    noun = "trial is" if count == 1 else "trials are"
    return f"{count} {'earlier ' if earlier else ''}{noun} not shown"

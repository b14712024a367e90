"""The table of all trials, and that of failures by reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hico_platform.evaluate.headings import HEADINGS
from hico_platform.report.content import ReportContent, ReportedTrial
from hico_platform.report.plot import Table, number, percent


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A heading: what it says, its whole name, and whether the column is words."""

    text: str
    title: str = ""
    is_text: bool = False


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A row: the trial, and what its cells say in the order of the headings."""

    trial: ReportedTrial
    cells: Sequence[str]
    is_best: bool


def trial_headings(content: ReportContent, names: Mapping[str, str]) -> list[Cell]:
    """The columns, by ``names`` of parameters."""
    return [
        Cell(text="trial"),
        Cell(text="state", is_text=True),
        Cell(text="epoch"),
        Cell(text=f"{content.score}, %", title="the score that the search goes by, with its standard error"),
        *[Cell(text=HEADINGS.get(name, name.replace("_", " ")), title=name) for name in _metrics(content)],
        *[Cell(text=names[name], title=name, is_text=not _is_numeric(content, name)) for name in content.parameters],
        Cell(text="seconds"),
        Cell(text="from", title="where the values come from", is_text=True),
    ]


def trial_rows(content: ReportContent) -> list[TrialRow]:
    """A row for each trial."""
    metrics = _metrics(content)
    return [
        TrialRow(
            trial=trial,
            cells=[
                str(trial.number),
                trial.word,
                str(trial.epoch),
                _score(trial.value, trial.error),
                *[_score(trial.metrics.get(name), trial.metric_errors.get(name)) for name in metrics],
                *[number(trial.values[name]) if name in trial.values else "" for name in content.parameters],
                "" if trial.seconds is None else f"{trial.seconds:.0f}",
                trial.origin,
            ],
            is_best=trial.number == content.best,
        )
        for trial in content.trials
    ]


def failures(content: ReportContent) -> Table | None:
    """The reasons of failed trials, the most frequent first."""
    reasons: dict[str, list[ReportedTrial]] = {}
    for trial in content.trials:
        if trial.reason is not None:
            reasons.setdefault(trial.reason, []).append(trial)
    if not reasons:
        return None
    return Table(
        headings=["reason", "trials", "which"],
        rows=[
            [reason, str(len(those)), ", ".join(str(trial.number) for trial in those)]
            for reason, those in sorted(reasons.items(), key=lambda item: -len(item[1]))
        ],
        text=frozenset({0, 2}),
    )


def _metrics(content: ReportContent) -> list[str]:
    """The metrics of the table: shares, which are shown in per cent, without the one that has its own column."""
    shares = [
        name
        for name in content.metrics
        if name != content.metric and all(0 <= trial.metrics.get(name, 0.0) <= 1 for trial in content.trials)
    ]
    known = [name for name in HEADINGS if name in shares]
    return known + [name for name in shares if name not in known]


def _score(value: float | None, error: float | None) -> str:
    return percent(value) + ("" if value is None or error is None else f" ± {percent(error)}")


def _is_numeric(content: ReportContent, name: str) -> bool:
    values = [trial.values[name] for trial in content.trials if name in trial.values]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)

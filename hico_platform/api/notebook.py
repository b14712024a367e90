"""A search in a notebook: its table as HTML, drawn again while it runs."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from hico_platform.search.ledger.base import TrialRecord
from hico_platform.search.state import TrialStatus, trial_status
from hico_platform.search.status import SearchStatus

EVERY_S = 1.0
"""The least time between two drawings of a live table."""
MOST_TRIALS = 30
"""Trials that a table shows; those at work and the newest."""

_COLOURS = {
    TrialStatus.RUNNING: "#2563a8",
    TrialStatus.INTERRUPTED: "#8250df",
    TrialStatus.COMPLETE: "#1a7f4b",
    TrialStatus.PRUNED: "#b07800",
    TrialStatus.FAILED: "#b3261e",
}
_CELL = "padding:2px 8px;text-align:left;white-space:nowrap"


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel, which draws HTML; a terminal's IPython does not."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class LiveSearch:
    """A table that is drawn in one place again and again; outside a notebook it does nothing."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn_s = 0.0

    def refresh(self, look: Callable[[], SearchStatus], *, at_once: bool = False) -> None:
        """Draws what ``look`` gives, but no more often than every second unless ``at_once``."""
        if at_once or time.monotonic() - self._drawn_s >= EVERY_S:
            self.update(look())

    def update(self, status: SearchStatus) -> None:
        """Draws a search."""
        self._drawn_s = time.monotonic()
        if not in_notebook():
            return
        from IPython.display import HTML, display

        picture = HTML(search_html(status))
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)


def search_html(status: SearchStatus) -> str:
    """A search as HTML without scripts: a headline, a line a trial, and what the scores depend on; all is escaped."""
    name, settings = status.search.name, status.space.settings
    parts = [f"<b>{_text(name)}</b>: {_text(status.progress)}"]
    if status.best is not None and status.best.value is not None:
        parts.append(f"best {_text(settings.signal.heading)} {_score(status.best)} (trial {status.best.number})")
    if status.seconds_left is not None:
        parts.append(f"about {_clock(status.seconds_left)} left")
    if status.ended_by:
        parts.append(f"ended by {_text(status.ended_by)}")
    fields = list(dict.fromkeys(field for trial in status.trials for field in trial.values))
    shown = _shown(status.trials)
    head = ["trial", "state", "epoch", settings.signal.heading, *(field.rpartition(".")[2] for field in fields)]
    rows = [_row(trial, status, fields) for trial in shown]
    facts = status.search.facts
    left_out = len(status.trials) - len(shown)
    note = (
        f"{facts.more.get('dataset', '')} ({facts.protocol}), {settings.signal.scored_on}, "
        f"{status.space.base.budget.epochs} epochs a trial, data {facts.data_digest[:12]}, code {facts.code_version}"
    )
    return "".join(
        [
            f'<div style="font-size:0.9em"><p style="margin:0 0 4px">{"; ".join(parts)}</p>',
            '<div style="overflow-x:auto"><table style="border-collapse:collapse;font-variant-numeric:tabular-nums">',
            f"<thead><tr>{''.join(_cell('th', _text(one)) for one in head)}</tr></thead>",
            f"<tbody>{''.join(rows)}</tbody></table></div>",
            f'<p style="margin:2px 0;opacity:0.75">{left_out} earlier trials are not shown</p>' if left_out else "",
            f'<p style="margin:4px 0 0;opacity:0.75">{_text(note)}</p></div>',
        ]
    )


def _shown(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    newest = sorted(trials, key=lambda trial: (not trial.state.is_final, trial.number))[-MOST_TRIALS:]
    return sorted(newest, key=lambda trial: trial.number)


def _row(trial: TrialRecord, status: SearchStatus, fields: Sequence[str]) -> str:
    state = trial_status(trial, has_driver=status.driver is not None)
    is_best = status.best is not None and status.best.number == trial.number
    epochs = status.space.base.budget.epochs
    cells = [
        str(trial.number),
        f'<span style="color:{_COLOURS[state]}">{state.word}</span>',
        f"{trial.epoch}/{epochs}",
        "" if trial.value is None else _score(trial) + (" ★" if is_best else ""),
        *(_text(_value(trial.values.get(field))) for field in fields),
    ]
    weight = ";font-weight:bold" if is_best else ""
    return f"<tr>{''.join(_cell('td', cell, more=weight) for cell in cells)}</tr>"


def _cell(tag: str, content: str, *, more: str = "") -> str:
    return f'<{tag} style="{_CELL}{more}">{content}</{tag}>'


def _score(trial: TrialRecord) -> str:
    error = trial.standard_error
    return f"{trial.value or 0.0:.3f}" + ("" if error is None else f"±{error:.3f}")


def _value(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _text(value: object) -> str:
    return html.escape(str(value))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"

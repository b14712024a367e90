"""A trial as a task for an executor, and the plain function that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hico_platform.config.trial import TrialConfig
from hico_platform.search.messages import Activity, ReportFunction, TrialOutcome


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """One trial to run.

    Args:
        number: of the trial in its search.
        config: what it trains.
        directory: the trial's own folder, with its checkpoints if it was begun before.
        report_epochs: the epochs after which it reports.
        cpus: CPUs that it holds while it runs.
        gpus: GPUs that it holds while it runs.
        reported: the epoch of its last report; 0 before the first.
        key: identifies the run for ever and is kept in its checkpoints; those of another key are never used.
    """

    number: int
    config: TrialConfig
    directory: Path
    report_epochs: tuple[int, ...]
    cpus: float
    gpus: float
    key: str = ""
    reported: int = 0


TrialFunction = Callable[[TrialTask, ReportFunction], TrialOutcome]
"""Runs a task, reporting as it goes; if it raises, the trial has failed."""


@dataclass(frozen=True, kw_only=True)
class TrialActivity:
    """What a running trial does between its reports, as its heartbeats tell; ``epoch`` is the last that ended."""

    number: int
    doing: Activity | None
    epoch: int | None


class Alive(Protocol):
    """Signals that the trial makes progress; ``epoch`` is the number of one that has just ended, ``doing`` what it does
    from now on."""

    def __call__(self, *, epoch: int | None = None, doing: Activity | None = None) -> None:
        """Called by the trial's own work, not by a thread beside it, which would go on while a GPU or a disk hangs."""


def alive_of(report: object) -> Alive:
    """The function by which a trial signals progress between two reports.

    The report function that a worker passes in has one as its attribute ``alive``. A plain function has none, and needs
    none, since nothing waits for heartbeats there.
    """
    alive: Alive = getattr(report, "alive", _ignore)
    return alive


def _ignore(*, epoch: int | None = None, doing: Activity | None = None) -> None:
    """Does nothing: no driver waits for heartbeats."""

"""What an executor is given and what it calls: trials as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hico_platform.config.trial import TrialConfig
from hico_platform.search.messages import ReportFunction, TrialOutcome


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """One trial to carry out.

    ``directory`` is the trial's own, with its checkpoints if it was begun before; ``cpus`` and ``gpus`` are
    what it holds while it runs. ``key`` names the run for ever and is kept in its checkpoints: those of another key
    are never taken over.
    """

    number: int
    config: TrialConfig
    directory: Path
    report_epochs: tuple[int, ...]
    cpus: float
    gpus: float
    key: str = ""


TrialFunction = Callable[[TrialTask, ReportFunction], TrialOutcome]
"""Carries out a task, reporting as it goes; whatever it raises makes the trial a failed one."""


class Alive(Protocol):
    """Says that the work makes progress; ``epoch`` is the number of one that just ended."""

    def __call__(self, *, epoch: int | None = None) -> None:
        """To be called by the work itself, not beside it: a thread would go on while a GPU or a disk hangs."""


def alive_of(report: object) -> Alive:
    """How a trial says between two reports that it makes progress.

    A report is a sign of life itself, so a plain function to report by will do; the one that a worker passes in has
    an ``alive`` besides.
    """
    alive: Alive = getattr(report, "alive", _say_nothing)
    return alive


def _say_nothing(*, epoch: int | None = None) -> None:
    """Nobody listens."""

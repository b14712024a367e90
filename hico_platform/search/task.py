"""What an executor is given and what it calls: trials as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hico_platform.config.trial import TrialConfig

if TYPE_CHECKING:  # the driver does without torch, which hico_platform.trial brings
    from hico_platform.trial import Report, TrialOutcome


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


TrialFunction = Callable[[TrialTask, "Report"], "TrialOutcome"]
"""Carries out a task, reporting as it goes; whatever it raises makes the trial a failed one."""

"""What a trial sends while it trains and when it ends: the same objects from the worker to the ledger and to tracking.

Plain data without torch, so that the driver, which never trains, does not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hico_platform.enums import Decision


@dataclass(frozen=True, kw_only=True)
class CheckpointWrite:
    """How long writing a checkpoint took on its worker, and its bytes on disk."""

    seconds: float
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """A trial's report at one of its report epochs, which the scheduler answers.

    Args:
        epoch: finished epochs.
        metrics: validation scores by name, such as ``knn_top1``; empty where the trial does not validate.
        history: (epoch, losses, sequences per second and ``system/`` metrics of the machine) of every epoch since the
            previous report.
        checkpoint: the whole training state at ``epoch``, already on disk.
        standard_errors: of the scores, by the same names: how far each would move with other people.
        machine: the host name of the machine on which it was measured; the driver adds it.
        checkpoint_writes: of every checkpoint since the previous report, for metrics; no record keeps them.
    """

    epoch: int
    metrics: Mapping[str, float]
    history: Sequence[tuple[int, Mapping[str, float]]]
    checkpoint: Path
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    machine: str | None = None
    checkpoint_writes: tuple[CheckpointWrite, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrialOutcome:
    """How a trial ended, after its whole budget or stopped early.

    Args:
        epoch: finished epochs.
        stopped_early: whether the scheduler stopped it before the end of its budget.
        metrics: downstream scores by name.
        checkpoint: the last training state on disk.
    """

    epoch: int
    stopped_early: bool
    metrics: Mapping[str, float]
    checkpoint: Path


@dataclass(frozen=True, kw_only=True)
class TrialFailure:
    """Why a trial cannot go on: the error in one line, and where it was raised, if it was raised in a worker."""

    reason: str
    traceback: str | None = None


class Activity(StrEnum):
    """What a trial does at a moment, in words that people read."""

    DATA = "opening the data"
    KERNELS = "compiling and checking kernels"
    TRAINING = "training"
    EVALUATING = "evaluating"


ReportFunction = Callable[[EpochReport], Decision]
"""Delivers a report and returns the scheduler's decision. A trial is given one, and may call it twice for an epoch."""

"""What an evaluation is asked for, how far it is, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from torch import Tensor

from hico_platform.commands.figure_data import FigureData
from hico_platform.commands.trained_encoder import TrainedEncoder
from hico_platform.config.trial import EvaluationConfig
from hico_platform.enums import Part
from hico_platform.evaluate.intervals import Interval
from hico_platform.evaluate.scores import TaskResult
from hico_platform.worker.datasets import Dataset

FEATURES, FIGURES = "features", "figures"
UNTRAINED, RAW_POSE = "untrained", "raw pose"


class Baselines(StrEnum):
    """On which tasks the untrained encoder and the poses themselves are scored beside the encoders."""

    QUICK = "quick"
    """On those that train no encoder."""

    ALL = "all"
    """On all that are asked for."""

    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class EvaluationProgress:
    """How far an evaluation is.

    Args:
        entry: what is evaluated now.
        task: the task, ``features`` while sequences are encoded, or ``figures``.
        number: of this step among all, from 1.
        steps: how many there are.
        done: how much of the step is done, of ``total``; 0 of 0 where it does not say.
        ended: whether the step has just ended.
        detail: the part of the step that ``done`` and ``total`` are of; empty where they are of the whole step.
    """

    entry: str
    task: str
    number: int
    steps: int
    done: int = 0
    total: int = 0
    ended: bool = False
    detail: str = ""


Watch = Callable[[EvaluationProgress], None]


@dataclass(frozen=True, kw_only=True)
class EntryReport:
    """What one encoder, or a baseline, scored.

    Args:
        name: as a table heads it: ``encoder``, the stream where there are several, ``untrained`` or ``raw pose``.
        encoder: None for a baseline.
        results: of the tasks that it ran.
        intervals: of each score by its name; a score without one is missing.
        seconds: how long each step took, of all tasks and ``features``.
        skipped: what each task that did not run asks for, by the task's name.
        shown: what figures show of it, where they were asked for; not of a baseline.
    """

    name: str
    encoder: TrainedEncoder | None
    results: tuple[TaskResult, ...]
    intervals: Mapping[str, Interval]
    seconds: Mapping[str, float]
    skipped: Mapping[str, str] = field(default_factory=dict)
    shown: FigureData | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """Scores with all that they depend on; ``facts`` are plain values.

    ``labels`` int64 (q,) are the true classes of the sequences that are scored, ``target_labels`` those of the target.
    """

    facts: Mapping[str, Any]
    entries: tuple[EntryReport, ...]
    class_names: tuple[str, ...]
    labels: Tensor
    target_class_names: tuple[str, ...] = ()
    target_labels: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What is to be evaluated, and how.

    Args:
        encoders: one, or one for each stream; the first is the one that fusion starts from.
        source: the dataset, with a protocol.
        part: ``test``, after training on all the rest, or ``val``, the validation subjects of the training part.
        tasks: names of tasks, ``quick`` or ``all``.
        config: of the evaluation; that of the first encoder where None.
        target: another dataset, for transfer.
        baselines: which tasks the baselines run.
        seed: of whatever tasks draw.
        allow_overlap: whether sequences may be scored that an encoder was trained on.
        label_lists: files of names of training sequences, whose labels semi-supervised tasks may use.
        figures: whether what figures show is kept of each encoder.
    """

    encoders: Sequence[TrainedEncoder]
    source: Dataset
    part: Part
    tasks: Sequence[str]
    config: EvaluationConfig | None = None
    target: Dataset | None = None
    baselines: Baselines = Baselines.QUICK
    seed: int = 0
    allow_overlap: bool = False
    label_lists: Sequence[Path] = ()
    figures: bool = False

"""What a downstream task finds: scores that know each sequence's part in them, so that any of them gets an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number from 0 to 1.

    ``per_sequence`` float64 (q,) has the part of each sequence that is scored, in the order of ``EvalData.eval``: 1 or
    0 where an answer is right or wrong, an average precision, and so on. ``value`` is their mean. A number that is no
    mean over sequences, as a calibration error is, has none.
    """

    value: float
    per_sequence: Tensor | None = None

    @classmethod
    def mean_of(cls, per_sequence: Tensor) -> Score:
        """The mean of each sequence's part, bool or float (q,)."""
        values = per_sequence.double().cpu()
        return cls(value=float(values.mean()), per_sequence=values)


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The scores of one task.

    Args:
        task: the task's name.
        protocol: how the scores came about, in one sentence that a table can put beside them.
        scores: the scores by name. A name says its task, its protocol where there are several, and its measure, such
            as ``linear_regularised_top1``, ``knn_top1_k5`` or ``retrieval_recall_at_10``.
        predictions: int64 (q,), the class that the task's main protocol gives each sequence that is scored, for the
            confusion matrix and the accuracy by class; None where the task predicts no classes.
        facts: what the task chose or used, such as the C of a regression or how many sequences had labels.
    """

    task: str
    protocol: str
    scores: Mapping[str, Score]
    predictions: Tensor | None = None
    facts: Mapping[str, float | int | str] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """The numbers alone, by name."""
        return {name: score.value for name, score in self.scores.items()}


def confusion(predictions: Tensor, labels: Tensor, *, classes: int) -> Tensor:
    """How often a class (row) was taken for another (column): int64 (classes, classes)."""
    return torch.bincount(labels.cpu() * classes + predictions.cpu(), minlength=classes**2).view(classes, classes)

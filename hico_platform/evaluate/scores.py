"""What a downstream task finds: scores that know each sequence's part in them, so that any of them gets an interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sums:
    """A number that follows from sums over sequences, so that it can be computed again from a part of them.

    ``terms`` float64 (q, m) are what each sequence adds; ``function`` makes numbers (...) of sums (..., m).
    """

    terms: Tensor
    function: Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number from 0 to 1.

    ``per_sequence`` float64 (q,) has the part of each sequence that is scored, in the order of ``EvalData.eval``: 1 or
    0 where an answer is right or wrong, an average precision, and so on. ``value`` is their mean. A number that is no
    mean over sequences, as a calibration error is, has none, and ``sums`` where it follows from sums over them.
    """

    value: float
    per_sequence: Tensor | None = None
    sums: Sums | None = None

    @classmethod
    def mean_of(cls, per_sequence: Tensor) -> Score:
        """The mean of each sequence's part, bool or float (q,)."""
        values = per_sequence.double().cpu()
        return cls(value=float(values.mean()), per_sequence=values)

    @classmethod
    def of_sums(cls, terms: Tensor, function: Callable[[Tensor], Tensor]) -> Score:
        """What ``function`` makes of the sums over sequences of ``terms`` (q, m)."""
        each = terms.double().cpu()
        return cls(value=float(function(each.sum(dim=0))), sums=Sums(terms=each, function=function))

    @property
    def resampled(self) -> Sums | None:
        """The same number for parts of the sequences; None where it knows no sequences."""
        if self.per_sequence is None:
            return self.sums
        return Sums(terms=torch.stack([self.per_sequence, torch.ones_like(self.per_sequence)], dim=1), function=_ratio)


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
        on_target: whether the sequences that are scored are those of ``Evaluated.target``, so that intervals are drawn
            over its persons.
    """

    task: str
    protocol: str
    scores: Mapping[str, Score]
    predictions: Tensor | None = None
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    on_target: bool = False

    def values(self) -> dict[str, float]:
        """The numbers alone, by name."""
        return {name: score.value for name, score in self.scores.items()}


def confusion(predictions: Tensor, labels: Tensor, *, classes: int) -> Tensor:
    """How often a class (row) was taken for another (column): int64 (classes, classes)."""
    return torch.bincount(labels.cpu() * classes + predictions.cpu(), minlength=classes**2).view(classes, classes)


def class_accuracy(predictions: Tensor, labels: Tensor, *, classes: int) -> Tensor:
    """The share of each class that is recognised, float64 (classes,); not a number for a class that has no sequence."""
    found = confusion(predictions, labels, classes=classes).double()
    return found.diagonal() / found.sum(dim=1)


def _ratio(sums: Tensor) -> Tensor:
    return sums[..., 0] / sums[..., 1]

"""Scores and confusion matrices."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import confusion_matrix, recall_score

from hico_platform.evaluate.scores import Score, class_accuracy, confusion


def test_a_score_is_the_mean_of_its_sequences() -> None:
    score = Score.mean_of(torch.tensor([True, False, True, True]))
    assert score.value == 0.75
    assert score.per_sequence is not None
    assert score.per_sequence.tolist() == [1, 0, 1, 1]


def test_rows_of_a_confusion_matrix_are_the_true_classes() -> None:
    labels, predictions = torch.tensor([0, 1, 2, 2, 1]), torch.tensor([0, 2, 2, 1, 1])
    found = confusion(predictions, labels, classes=4)
    assert found.tolist() == confusion_matrix(labels, predictions, labels=range(4)).tolist()


def test_accuracy_by_class_is_that_of_scikit_learn() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (90,), generator=random).clamp_max(2)
    predictions = torch.where(torch.rand(90, generator=random) < 0.6, labels, torch.randint(4, (90,), generator=random))
    by_class = class_accuracy(predictions, labels, classes=4)
    expected = recall_score(labels, predictions, labels=range(3), average=None)
    assert by_class[:3].tolist() == pytest.approx(expected.tolist())
    assert math.isnan(by_class[3])


def test_a_number_of_sums_can_be_computed_for_a_part_of_the_sequences() -> None:
    terms = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    score = Score.of_sums(terms, lambda sums: sums[..., 0] / sums[..., 1])
    assert score.value == 9 / 12
    assert score.resampled is not None
    assert float(score.resampled.function(score.resampled.terms[:2].sum(dim=0))) == 4 / 6
    assert score.resampled.terms.dtype == torch.float64
    mean = Score.mean_of(torch.tensor([True, False, True])).resampled
    assert mean is not None
    assert float(mean.function(mean.terms[:2].sum(dim=0))) == 0.5
    assert Score(value=0.5).resampled is None

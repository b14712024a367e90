"""Scores and confusion matrices."""

from __future__ import annotations

import torch
from sklearn.metrics import confusion_matrix

from hico_platform.evaluate.scores import Score, confusion


def test_a_score_is_the_mean_of_its_sequences() -> None:
    score = Score.mean_of(torch.tensor([True, False, True, True]))
    assert score.value == 0.75
    assert score.per_sequence is not None
    assert score.per_sequence.tolist() == [1, 0, 1, 1]


def test_rows_of_a_confusion_matrix_are_the_true_classes() -> None:
    labels, predictions = torch.tensor([0, 1, 2, 2, 1]), torch.tensor([0, 2, 2, 1, 1])
    found = confusion(predictions, labels, classes=4)
    assert found.tolist() == confusion_matrix(labels, predictions, labels=range(4)).tolist()

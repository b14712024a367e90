"""1-NN among all training subjects, each asking the others: every sequence is trained on and every one is scored."""

from __future__ import annotations

from torch import Tensor

from hico_platform.errors import DataError, Problem
from hico_platform.evaluate.knn import nearest
from hico_platform.evaluate.scores import Score


def knn_subjects(features: Tensor, labels: Tensor, *, persons: Tensor) -> Score:
    """Whether the nearest sequence of another person has the same label.

    Args:
        features: (n, F).
        labels: int64 (n,).
        persons: int64 (n,), the person of each sequence.

    Raises:
        DataError: all sequences are of one person.
    """
    if len(persons.unique()) < 2:
        raise DataError(
            Problem(field="knn_subjects", rule="at least 2 persons in the training part", value=1,
                    remedy="take another signal as the first of objectives, or data with a column subject")
        )  # fmt: skip
    persons = persons.to(features.device)
    neighbours = nearest(features, features, apart=(persons, persons))[:, 0]
    return Score.mean_of(labels[neighbours] == labels)

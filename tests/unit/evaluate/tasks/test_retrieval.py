"""Retrieval's scores against scikit-learn, query by query."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import of_encoder
from hico_platform.evaluate.tasks.retrieval import Retrieval
from tests.handmade import handmade_data, handmade_encoder, points, sklearn_map, sklearn_recall

POINTS = points(classes=8, train=90, held_out=80, seed=5, noise=1.5)


def test_scores_are_those_of_scikit_learn() -> None:
    data, _ = handmade_data(POINTS)
    result = Retrieval().run(of_encoder(handmade_encoder(), data=data, config=EvaluationConfig()))
    expected = {f"retrieval_recall_at_{k}": sklearn_recall(POINTS, k) for k in (1, 5, 10)}
    expected["retrieval_map"] = sklearn_map(POINTS)
    assert result.values() == pytest.approx(expected)
    assert len({round(value, 2) for value in expected.values()}) == 4


def test_each_query_has_the_average_precision_of_scikit_learn() -> None:
    data, _ = handmade_data(POINTS)
    result = Retrieval().run(of_encoder(handmade_encoder(), data=data, config=EvaluationConfig()))
    train, held_out = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (POINTS.train, POINTS.eval))
    found = result.scores["retrieval_map"].per_sequence
    assert found is not None
    expected = [
        average_precision_score(POINTS.train_labels == label, train @ query)
        for query, label in zip(held_out, POINTS.eval_labels, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected)

"""kNN for several k, against scikit-learn."""

from __future__ import annotations

import pytest
from sklearn.neighbors import KNeighborsClassifier

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import of_encoder
from hico_platform.evaluate.tasks.knn import NEIGHBOURS, Knn
from tests.handmade import handmade_data, handmade_encoder, points

POINTS = points(classes=5, train=120, held_out=70, seed=3)


def test_each_k_gives_what_scikit_learn_gives() -> None:
    data, _ = handmade_data(POINTS)
    result = Knn().run(of_encoder(handmade_encoder(), data=data, config=EvaluationConfig()))
    expected = {}
    for k in NEIGHBOURS:
        classifier = KNeighborsClassifier(n_neighbors=k, metric="cosine").fit(POINTS.train, POINTS.train_labels)
        expected["knn_top1" if k == 1 else f"knn_top1_k{k}"] = float(classifier.score(POINTS.eval, POINTS.eval_labels))
        if k == 1:
            assert result.predictions is not None
            assert result.predictions.tolist() == classifier.predict(POINTS.eval).tolist()
    expected["knn_mean"] = sum(expected.values()) / len(expected)
    assert result.values() == pytest.approx(expected)
    assert len(set(expected.values())) == len(expected), "the numbers have to differ, or one could stand for another"

"""Both protocols of the linear probe: the regularised one against scikit-learn, the released one by its settings."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import of_encoder
from hico_platform.evaluate.linear import linear_probe_top1
from hico_platform.evaluate.tasks.linear import Linear
from tests.handmade import SOLVER, handmade_data, handmade_encoder, points

POINTS = points(classes=4, train=100, held_out=4000, seed=0)


def test_each_protocol_has_its_own_score() -> None:
    data, _ = handmade_data(POINTS)
    data = dataclasses.replace(data, subjects=torch.arange(len(data.labels)) % 10)
    config = EvaluationConfig(linear_epochs=20, linear_batch_size=30, linear_learning_rate=0.7)
    result = Linear().run(of_encoder(handmade_encoder(), data=data, config=config, seed=3))
    classifier = LogisticRegression(C=float(result.facts["c"]), solver=SOLVER, tol=1e-9, max_iter=500)
    expected = make_pipeline(StandardScaler(), classifier).fit(POINTS.train, POINTS.train_labels)
    scores = {
        "linear_released_top1": linear_probe_top1(
            *POINTS.tensors(), classes=4, epochs=20, batch_size=30, learning_rate=0.7, seed=3
        ),
        "linear_regularised_top1": float(expected.score(POINTS.eval, POINTS.eval_labels)),
    }
    assert result.values() == pytest.approx(scores, abs=1e-3)
    assert abs(scores["linear_released_top1"] - scores["linear_regularised_top1"]) > 0.01
    assert result.predictions is not None
    assert (result.predictions.numpy() == expected.predict(POINTS.eval)).mean() > 0.999
    assert "cross-validation over training persons (5 folds, 100 sequences)" in result.protocol

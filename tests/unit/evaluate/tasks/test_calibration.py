"""Calibration against its definitions, bin by bin, and scikit-learn's Brier score."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import of_encoder
from hico_platform.evaluate.intervals import interval
from hico_platform.evaluate.tasks.calibration import Calibration, calibration_error
from tests.handmade import handmade_data, handmade_encoder, points

POINTS = points(classes=4, train=60, held_out=500, seed=6)


def by_definition(confidence: np.ndarray, right: np.ndarray, *, bins: int = 15) -> float:
    """Guo et al. 2017, equation 3: the share of each bin times the gap between its accuracy and its confidence."""
    total = 0.0
    for number in range(bins):
        inside = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_scores_are_those_of_their_definitions() -> None:
    data, _ = handmade_data(POINTS)
    data = dataclasses.replace(data, subjects=torch.arange(len(data.labels)) % 10)
    evaluated = of_encoder(handmade_encoder(), data=data, config=EvaluationConfig())
    result = Calibration().run(evaluated)
    probabilities = evaluated.regularised.logits.double().softmax(dim=1).numpy()
    right = probabilities.argmax(axis=1) == POINTS.eval_labels
    expected = {
        "calibration_ece": by_definition(probabilities.max(axis=1), right),
        "calibration_brier": brier_score_loss(POINTS.eval_labels, probabilities, scale_by_half=True),
    }
    assert result.values() == pytest.approx(expected)
    assert expected["calibration_ece"] > 0.01
    assert abs(by_definition(probabilities.max(axis=1), right, bins=10) - expected["calibration_ece"]) > 1e-3
    sure = interval(result.scores["calibration_ece"], clusters=data.eval_subjects)
    assert sure is not None
    assert 0 <= sure.low < sure.high < 0.3


def test_ends_of_bins_belong_to_the_lower_one() -> None:
    confidence = np.array([3 / 15, 3 / 15 + 1e-6, 1.0, 0.0, 0.97])
    right = np.array([True, False, True, False, False])
    expected = (0.8 + 0.2 + abs(1 - 1.97) + 0) / 5
    assert calibration_error(torch.tensor(confidence), torch.tensor(right)).value == pytest.approx(expected, abs=1e-5)


def test_who_is_as_often_right_as_sure_is_calibrated() -> None:
    confidence = torch.full((1000,), 0.75)
    right = torch.arange(1000) % 4 != 0
    assert calibration_error(confidence, right).value == pytest.approx(0, abs=1e-9)
    assert calibration_error(confidence, torch.ones(1000, dtype=torch.bool)).value == pytest.approx(0.25)

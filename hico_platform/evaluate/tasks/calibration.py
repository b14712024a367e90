"""Calibration: whether the regularised probe is right as often as it is sure."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from hico_platform.evaluate.data import Evaluated
from hico_platform.evaluate.regularised import protocol
from hico_platform.evaluate.scores import Score, TaskResult

BINS = 15


class Calibration:
    """Expected calibration error (Guo et al., 2017) and Brier score of the regularised probe's probabilities."""

    name = "calibration"
    quick = True

    def missing(self, evaluated: Evaluated) -> str | None:
        """Nothing: features are enough."""
        return None

    def run(self, evaluated: Evaluated) -> TaskResult:
        """``calibration_ece`` and ``calibration_brier``; the lower the better."""
        probe, labels = evaluated.regularised, evaluated.data.eval_labels
        probabilities = probe.logits.double().softmax(dim=1)
        confidence, answers = probabilities.max(dim=1)
        return TaskResult(
            task=self.name,
            protocol=(
                f"ECE in {BINS} bins of equal width, Brier score as half the squared distance (0 to 1), of: "
                f"{protocol(probe.chosen)}"
            ),
            scores={
                "calibration_ece": calibration_error(confidence, answers == labels),
                "calibration_brier": Score.mean_of(brier(probabilities, labels)),
            },
        )


def calibration_error(confidence: Tensor, right: Tensor) -> Score:
    """The mean distance, over answers, between the confidence and the accuracy of their bin.

    ``confidence`` (q,) from 0 to 1 and ``right`` bool (q,). A bin holds what is above its lower end, up to the upper.
    """
    bins = (confidence.double() * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    gaps = one_hot(bins, BINS) * (right.double() - confidence.double())[:, None]  # (q, BINS)
    return Score.of_sums(torch.cat([gaps, torch.ones_like(gaps[:, :1])], dim=1), _expected_error)


def brier(probabilities: Tensor, labels: Tensor) -> Tensor:
    """(q,), half the squared distance of probabilities (q, K) from the answer: from 0, sure and right, to 1."""
    return (probabilities - one_hot(labels, probabilities.shape[1])).square().sum(dim=1) / 2


def _expected_error(sums: Tensor) -> Tensor:
    return sums[..., :-1].abs().sum(dim=-1) / sums[..., -1]

"""The linear probe: its recipe followed in NumPy, and where it arrives, by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from hico_platform.evaluate.linear import linear_probe_top1
from tests.handmade import Points, points, random_features, sklearn_linear

CLASSES, EPOCHS, BATCH, RATE, SEED = 4, 8, 64, 5.0, 5
# So many to score on that a classifier that differs a little has another score.
HANDMADE = points(classes=CLASSES, train=300, held_out=4000, seed=2)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of the release, and ways to be wrong about them."""

    drops: tuple[int, ...] = (5, 7)  # 5/8 and 7/8 of the epochs: 50 and 70 of 80
    factor: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    epochs: int = EPOCHS
    batch: int = BATCH
    seed: int = SEED

    def score(self, points: Points) -> float:
        """Top-1 by softmax regression and SGD in float64; PyTorch gives the first weights and the orders alone."""
        generator = torch.Generator().manual_seed(self.seed)
        weight = torch.empty(CLASSES, points.train.shape[1]).normal_(0, 0.01, generator=generator).double().numpy()
        bias, truth = np.zeros(CLASSES), np.eye(CLASSES)[points.train_labels]
        speeds = [np.zeros_like(weight), np.zeros_like(bias)]
        for epoch in range(self.epochs):
            rate = RATE * self.factor ** sum(epoch >= drop for drop in self.drops)
            order = torch.randperm(len(truth), generator=generator).numpy()
            for start in range(0, len(order), self.batch):
                rows = order[start : start + self.batch]
                logits = points.train[rows] @ weight.T + bias
                shares = np.exp(logits - logits.max(axis=1, keepdims=True))
                error = (shares / shares.sum(axis=1, keepdims=True) - truth[rows]) / len(rows)
                gradients = (error.T @ points.train[rows] + self.weight_decay * weight, error.sum(axis=0))
                speeds = [self.momentum * speed + slope for speed, slope in zip(speeds, gradients, strict=True)]
                weight, bias = weight - rate * speeds[0], bias - rate * speeds[1]
        return float(((points.eval @ weight.T + bias).argmax(axis=1) == points.eval_labels).mean())


WRONG = {
    "the rate never falls": Recipe(drops=()),
    "it falls once": Recipe(drops=(5,)),
    "it falls late alone": Recipe(drops=(7,)),
    "it falls an epoch late": Recipe(drops=(6, 7)),
    "it falls less": Recipe(factor=0.2),
    "less momentum": Recipe(momentum=0.8),
    "weight decay": Recipe(weight_decay=1e-3),
    "an epoch less": Recipe(epochs=EPOCHS - 1),
    "other batches": Recipe(batch=300),
    "another seed": Recipe(seed=SEED + 1),
}


def probe(points: Points, *, seed: int = SEED, epochs: int = EPOCHS, batch: int = BATCH, rate: float = RATE) -> float:
    return linear_probe_top1(
        *points.tensors(), classes=CLASSES, epochs=epochs, batch_size=batch, learning_rate=rate, seed=seed
    )


def test_the_probe_follows_the_recipe_of_the_release() -> None:
    assert probe(HANDMADE) == pytest.approx(Recipe().score(HANDMADE), abs=1.5 / len(HANDMADE.eval))


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_probe_that_departs_from_it_has_another_score(wrong: Recipe) -> None:
    assert abs(probe(HANDMADE) - wrong.score(HANDMADE)) > 3 / len(HANDMADE.eval)


def test_the_rate_falls_at_whole_epochs_where_eighths_are_none() -> None:
    found = probe(HANDMADE, epochs=10)  # 5/8 and 7/8 of 10 are 6.25 and 8.75
    assert found == pytest.approx(Recipe(drops=(6, 8), epochs=10).score(HANDMADE), abs=1.5 / len(HANDMADE.eval))
    for drops in ((7, 8), (6, 9), (7, 9)):
        assert abs(found - Recipe(drops=drops, epochs=10).score(HANDMADE)) > 3 / len(HANDMADE.eval)


def test_the_probe_arrives_at_logistic_regression() -> None:
    assert probe(HANDMADE, epochs=300, batch=300, rate=2.0) == pytest.approx(
        sklearn_linear(HANDMADE), abs=1.5 / len(HANDMADE.eval)
    )


def test_linear_probe_learns_separable_features_and_is_seeded() -> None:
    labels = torch.arange(400) % 5
    features = torch.nn.functional.one_hot(labels, 5) + 0.3 * random_features(400, seed=1)[:, :5]

    def top1(seed: int) -> float:
        return linear_probe_top1(
            features[:300], labels[:300], features[300:], labels[300:],
            classes=5, epochs=20, batch_size=64, learning_rate=0.5, seed=seed,
        )  # fmt: skip

    assert top1(0) > 0.9
    assert top1(0) == top1(0)


def test_a_sign_of_life_is_given_at_every_epoch() -> None:
    signs: list[None] = []
    linear_probe_top1(
        *HANDMADE.tensors(), classes=CLASSES, epochs=3, batch_size=64, learning_rate=1.0, seed=0,
        alive=lambda: signs.append(None),
    )  # fmt: skip
    assert len(signs) == 3

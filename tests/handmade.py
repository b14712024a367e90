"""Features written by hand, and what scikit-learn and NumPy make of them: the numbers that users publish, once more."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import label_ranking_average_precision_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import nn

from hico_platform.augment.views import Views
from hico_platform.evaluate.downstream import Probe
from hico_platform.model.encoder import HierarchicalEncoder, Tokens

FRAMES, BODIES, JOINTS, COORDINATES = 2, 1, 2, 3
WIDTH = FRAMES * BODIES * JOINTS * COORDINATES


@dataclass(frozen=True, kw_only=True)
class Points:
    """Features (n, F) and labels (n,), float64 and int64, to learn from and to score on."""

    fit: np.ndarray
    fit_labels: np.ndarray
    score: np.ndarray
    score_labels: np.ndarray

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same for PyTorch, features in float32."""
        return (
            torch.tensor(self.fit, dtype=torch.float32),
            torch.tensor(self.fit_labels),
            torch.tensor(self.score, dtype=torch.float32),
            torch.tensor(self.score_labels),
        )


def points(*, classes: int, fit: int, score: int, seed: int, noise: float = 1.0, width: int = WIDTH) -> Points:
    """Classes that overlap, some larger than others, in a few directions out of many: every metric is another one."""
    random = np.random.default_rng(seed)
    centres = np.zeros((classes, width))
    centres[:, :3] = random.normal(size=(classes, 3))
    shares = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
    labels = random.choice(classes, size=fit + score, p=shares)
    features = (
        (centres[labels] + noise * random.normal(size=(fit + score, width))).astype(np.float32).astype(np.float64)
    )
    return Points(fit=features[:fit], fit_labels=labels[:fit], score=features[fit:], score_labels=labels[fit:])


class PosesAsFeatures(nn.Module):
    """An encoder whose features are the poses that it is shown."""

    feature_width = WIDTH

    def forward(self, tokens: Tokens) -> SimpleNamespace:
        """Flattens the temporal tokens."""
        return SimpleNamespace(instance=lambda: tokens.temporal.flatten(1))


@dataclass(kw_only=True)
class HandmadeViews:
    """Features (n, F) as poses; ``shares`` collects the centre crops that were asked for."""

    features: torch.Tensor
    shares: set[float] = field(default_factory=set)

    def centre(self, indices: torch.Tensor, *, share: float) -> torch.Tensor:
        """The poses (N, T, M, J, C) of ``indices``."""
        self.shares.add(share)
        return self.features[indices].view(-1, FRAMES, BODIES, JOINTS, COORDINATES)


def handmade_encoder() -> HierarchicalEncoder:
    """What evaluation takes for an encoder."""
    return cast(HierarchicalEncoder, PosesAsFeatures())


def handmade_probe(points: Points) -> tuple[Probe, HandmadeViews]:
    """The points as sequences, those to score on before those to learn from."""
    fit, fit_labels, score, score_labels = points.tensors()
    views = HandmadeViews(features=torch.cat([score, fit]))
    probe = Probe(
        views=cast(Views, views),
        labels=torch.cat([score_labels, fit_labels]),
        fit=torch.arange(len(score), len(score) + len(fit)),
        score=torch.arange(len(score)),
        classes=int(fit_labels.max()) + 1,
    )
    return probe, views


def sklearn_knn(points: Points) -> float:
    """1-NN by cosine."""
    classifier = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(points.fit, points.fit_labels)
    return float(classifier.score(points.score, points.score_labels))


def sklearn_recall(points: Points, k: int) -> float:
    """Share of queries with one of their class among the k nearest."""
    nearest = NearestNeighbors(n_neighbors=k, metric="cosine").fit(points.fit).kneighbors(points.score)[1]
    return float((points.fit_labels[nearest] == points.score_labels[:, None]).any(axis=1).mean())


def sklearn_map(points: Points) -> float:
    """Mean over the queries of the average precision of all that is ranked by cosine."""
    fit, score = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (points.fit, points.score))
    relevant = points.fit_labels == points.score_labels[:, None]
    return float(label_ranking_average_precision_score(relevant, score @ fit.T))


def sklearn_linear(points: Points) -> float:
    """Multinomial logistic regression without regularisation: where a linear probe without weight decay arrives."""
    classifier = LogisticRegression(C=np.inf, tol=1e-9, max_iter=10_000).fit(points.fit, points.fit_labels)
    return float(classifier.score(points.score, points.score_labels))

"""Features written by hand, and what scikit-learn and NumPy make of them: the numbers that users publish, once more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import label_ranking_average_precision_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from hico_platform.augment.views import Views
from hico_platform.data.layout import Layout
from hico_platform.enums import Stream
from hico_platform.evaluate.data import EvalData
from hico_platform.model.encoder import HierarchicalEncoder, Tokens

FRAMES, BODIES, JOINTS, COORDINATES = 2, 1, 2, 3
LAYOUT = Layout(
    name="two-joints",
    joints=("wrist_left", "ankle_right"),
    parents=(0, 0),
    centre=0,
    z_axis=(0, 1),
    x_axis=(0, 1),
)
WIDTH = FRAMES * BODIES * JOINTS * COORDINATES
SOLVER = "newton-cg"
"""Of scikit-learn's logistic regression: a few steps to the optimum, where its default takes thousands."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Features (n, F) and labels (n,), float64 and int64, to train on and to score on."""

    train: np.ndarray
    train_labels: np.ndarray
    eval: np.ndarray
    eval_labels: np.ndarray

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same for PyTorch, features in float32."""
        return (
            torch.tensor(self.train, dtype=torch.float32),
            torch.tensor(self.train_labels),
            torch.tensor(self.eval, dtype=torch.float32),
            torch.tensor(self.eval_labels),
        )


def points(*, classes: int, train: int, held_out: int, seed: int, noise: float = 1.0, width: int = WIDTH) -> Points:
    """Classes that overlap, some larger than others, in a few directions out of many: every metric is another one."""
    random = np.random.default_rng(seed)
    centres = np.zeros((classes, width))
    centres[:, :3] = random.normal(size=(classes, 3))
    shares = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
    labels = random.choice(classes, size=train + held_out, p=shares)
    features = (
        (centres[labels] + noise * random.normal(size=(train + held_out, width))).astype(np.float32).astype(np.float64)
    )
    return Points(
        train=features[:train], train_labels=labels[:train], eval=features[train:], eval_labels=labels[train:]
    )


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
    stream: Stream = Stream.JOINT

    def centre(
        self,
        indices: torch.Tensor,
        *,
        share: float,
        alter: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """The poses (N, T, M, J, C) of ``indices``."""
        self.shares.add(share)
        poses = self.features[indices].view(-1, FRAMES, BODIES, JOINTS, COORDINATES)
        return poses if alter is None else alter(poses)

    def cropped(self, indices: torch.Tensor, *, min_ratio: float, generator: torch.Generator) -> torch.Tensor:
        """The same poses: they are too short for a crop."""
        return self.features[indices].view(-1, FRAMES, BODIES, JOINTS, COORDINATES)

    def prefetch(self, batches: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The same batches: all is in memory."""
        return iter(batches)


def handmade_encoder() -> HierarchicalEncoder:
    """What evaluation takes for an encoder."""
    return cast(HierarchicalEncoder, PosesAsFeatures())


def handmade_data(points: Points) -> tuple[EvalData, HandmadeViews]:
    """The points as sequences, those to score on before those to train on."""
    train, train_labels, held_out, held_out_labels = points.tensors()
    views = HandmadeViews(features=torch.cat([held_out, train]))
    data = EvalData(
        views=cast(Views, views),
        labels=torch.cat([held_out_labels, train_labels]),
        train=torch.arange(len(held_out), len(held_out) + len(train)),
        eval=torch.arange(len(held_out)),
        classes=int(train_labels.max()) + 1,
        layout=LAYOUT,
    )
    return data, views


def sklearn_knn(points: Points) -> float:
    """1-NN by cosine."""
    classifier = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(points.train, points.train_labels)
    return float(classifier.score(points.eval, points.eval_labels))


def sklearn_recall(points: Points, k: int) -> float:
    """Share of queries with one of their class among the k nearest."""
    nearest = NearestNeighbors(n_neighbors=k, metric="cosine").fit(points.train).kneighbors(points.eval)[1]
    return float((points.train_labels[nearest] == points.eval_labels[:, None]).any(axis=1).mean())


def sklearn_map(points: Points) -> float:
    """Mean over the queries of the average precision of all that is ranked by cosine."""
    train, held_out = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (points.train, points.eval))
    relevant = points.train_labels == points.eval_labels[:, None]
    return float(label_ranking_average_precision_score(relevant, held_out @ train.T))


def sklearn_linear(points: Points) -> float:
    """Multinomial logistic regression without regularisation: where a linear probe without weight decay arrives."""
    classifier = LogisticRegression(C=np.inf, solver=SOLVER, tol=1e-9, max_iter=500).fit(
        points.train, points.train_labels
    )
    return float(classifier.score(points.eval, points.eval_labels))


def sklearn_regularised(points: Points, *, c: float) -> Pipeline:
    """Multinomial logistic regression with an L2 penalty on standardised features.

    Of two classes scikit-learn has one vector of weights instead of two, which is the same for half the penalty.
    """
    two = len(np.unique(points.train_labels)) == 2
    classifier = LogisticRegression(C=2 * c if two else c, solver=SOLVER, tol=1e-8, max_iter=500)
    return make_pipeline(StandardScaler(), classifier).fit(points.train, points.train_labels)


def random_features(count: int, *, width: int = 70, seed: int = 0, alike: float = 0.0) -> torch.Tensor:
    """Random features (count, width) in float32; ``alike`` adds a direction that all share."""
    drawn = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return drawn + alike * torch.linspace(0.5, 1.5, width)


def exact_cosines(gallery: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Cosines (q, n) in float64, by the definition."""
    return nn.functional.normalize(queries.double()) @ nn.functional.normalize(gallery.double()).T


def neighbours_by_definition(gallery: torch.Tensor, queries: torch.Tensor, k: int) -> torch.Tensor:
    """Indices (q, k) of the k largest cosines, equal ones by index."""
    return exact_cosines(gallery, queries).argsort(dim=1, descending=True, stable=True)[:, :k]

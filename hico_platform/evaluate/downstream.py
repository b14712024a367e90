"""All downstream metrics of an encoder, under the names that code, tracking and reports share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hico_platform.augment.views import Views
from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.features import encoder_features, raw_pose_features
from hico_platform.evaluate.knn import knn_top1
from hico_platform.evaluate.linear import linear_probe_top1
from hico_platform.evaluate.retrieval import retrieval
from hico_platform.model.encoder import HierarchicalEncoder


@dataclass(frozen=True, kw_only=True)
class EvalData:
    """Sequences to train on (``train``) and to score on (``eval``), with the labels of all.

    ``labels`` int64 of all sequences of the views; ``train`` and ``eval`` are int64 indices of them. ``alive`` is
    called again and again while they are encoded and while the linear probe trains.
    """

    views: Views
    labels: Tensor
    train: Tensor
    eval: Tensor
    classes: int
    alive: Callable[[], None] = lambda: None

    @property
    def train_labels(self) -> Tensor:
        """Labels (n,) of the sequences to train on."""
        return self.labels[self.train]

    @property
    def eval_labels(self) -> Tensor:
        """Labels (q,) of the sequences to score on."""
        return self.labels[self.eval]


@dataclass(frozen=True, kw_only=True)
class EvalFeatures:
    """One encoder's features of both parts, (n, 2*G*D) and (q, 2*G*D): computed once for all metrics."""

    train: Tensor
    eval: Tensor


def eval_features(encoder: HierarchicalEncoder, *, data: EvalData, config: EvaluationConfig) -> EvalFeatures:
    """Encodes both parts under the centre crop."""

    def encoded(indices: Tensor) -> Tensor:
        return encoder_features(
            encoder, views=data.views, indices=indices, centre_crop=config.centre_crop, alive=data.alive
        )

    return EvalFeatures(train=encoded(data.train), eval=encoded(data.eval))


def knn(features: EvalFeatures, *, data: EvalData) -> float:
    """1-NN top-1: each sequence to score on takes the label of its nearest training sequence."""
    return knn_top1(features.train, data.train_labels, features.eval, data.eval_labels)


def raw_pose_knn(*, data: EvalData, config: EvaluationConfig) -> float:
    """1-NN top-1 of the poses themselves, without any encoder."""

    def poses(indices: Tensor) -> Tensor:
        return raw_pose_features(views=data.views, indices=indices, centre_crop=config.centre_crop)

    return knn_top1(poses(data.train), data.train_labels, poses(data.eval), data.eval_labels)


def downstream(
    encoder: HierarchicalEncoder,
    *,
    source: EvalData,
    target: EvalData | None,
    config: EvaluationConfig,
    seed: int,
    features: EvalFeatures | None = None,
) -> dict[str, float]:
    """kNN, recognition (linear probe), retrieval and, with a ``target`` dataset, transfer (linear probe there).

    ``features`` are those of ``source``, where they have been computed already.
    """
    features = features or eval_features(encoder, data=source, config=config)
    retrieved = retrieval(features.train, source.train_labels, features.eval, source.eval_labels, k=config.recall_at)
    metrics = {
        "knn_top1": retrieved.top1,
        "recognition_top1": _linear(features, source, config, seed),
        "retrieval_top1": retrieved.top1,
        f"retrieval_recall_at_{config.recall_at}": retrieved.recall_at_k,
        "retrieval_map": retrieved.mean_average_precision,
    }
    if target is not None:
        target_features = eval_features(encoder, data=target, config=config)
        metrics["transfer_top1"] = _linear(target_features, target, config, seed)
    return metrics


def _linear(features: EvalFeatures, data: EvalData, config: EvaluationConfig, seed: int) -> float:
    return linear_probe_top1(
        features.train,
        data.train_labels,
        features.eval,
        data.eval_labels,
        classes=data.classes,
        epochs=config.linear_epochs,
        batch_size=config.linear_batch_size,
        learning_rate=config.linear_learning_rate,
        seed=seed,
        alive=data.alive,
    )

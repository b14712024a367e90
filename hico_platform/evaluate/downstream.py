"""All downstream metrics of an encoder, under the names that code, tracking and reports share."""

from __future__ import annotations

from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import EvalData, EvalFeatures, eval_features
from hico_platform.evaluate.knn import knn_top1
from hico_platform.evaluate.linear import linear_probe_top1
from hico_platform.evaluate.retrieval import retrieval
from hico_platform.model.encoder import HierarchicalEncoder


def knn(features: EvalFeatures, *, data: EvalData) -> float:
    """1-NN top-1: each sequence to score on takes the label of its nearest training sequence."""
    return knn_top1(features.train, data.train_labels, features.eval, data.eval_labels)


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

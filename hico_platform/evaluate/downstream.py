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
class Probe:
    """Sequences to learn from (``fit``) and to score on (``score``), with everybody's labels.

    ``labels`` int64 of all sequences of the views; ``fit`` and ``score`` are int64 indices of them. ``alive`` is
    called again and again while they are encoded and probed.
    """

    views: Views
    labels: Tensor
    fit: Tensor
    score: Tensor
    classes: int
    alive: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class ProbeFeatures:
    """Features of a probe's two parts, (n, 2*G*D) each: those of one encoder, computed once for all that is asked."""

    fit: Tensor
    score: Tensor


def probe_features(encoder: HierarchicalEncoder, *, probe: Probe, config: EvaluationConfig) -> ProbeFeatures:
    """Encodes both parts under the centre crop."""
    fit, score = (
        encoder_features(encoder, views=probe.views, indices=part, centre_crop=config.centre_crop, alive=probe.alive)
        for part in (probe.fit, probe.score)
    )
    return ProbeFeatures(fit=fit, score=score)


def knn(features: ProbeFeatures, *, probe: Probe) -> float:
    """``knn_top1``: 1-NN from the score part into the fit part."""
    return knn_top1(features.fit, probe.labels[probe.fit], features.score, probe.labels[probe.score])


def raw_pose_knn(*, probe: Probe, config: EvaluationConfig) -> float:
    """``knn_top1`` of the poses themselves, without any encoder."""
    fit, score = (
        raw_pose_features(views=probe.views, indices=part, centre_crop=config.centre_crop)
        for part in (probe.fit, probe.score)
    )
    return knn_top1(fit, probe.labels[probe.fit], score, probe.labels[probe.score])


def downstream(
    encoder: HierarchicalEncoder,
    *,
    source: Probe,
    target: Probe | None,
    config: EvaluationConfig,
    seed: int,
    features: ProbeFeatures | None = None,
) -> dict[str, float]:
    """kNN, recognition (linear probe), retrieval and, with a ``target`` dataset, transfer (linear probe there).

    ``features`` are those of ``source``, where they have been computed already.
    """
    features = features or probe_features(encoder, probe=source, config=config)
    fit_labels, score_labels = source.labels[source.fit], source.labels[source.score]
    found = retrieval(features.fit, fit_labels, features.score, score_labels, k=config.recall_at)
    metrics = {
        "knn_top1": found.top1,
        "recognition_top1": _linear(features, source, config, seed),
        "retrieval_top1": found.top1,
        f"retrieval_recall_at_{config.recall_at}": found.recall_at_k,
        "retrieval_map": found.mean_average_precision,
    }
    if target is not None:
        there = probe_features(encoder, probe=target, config=config)
        metrics["transfer_top1"] = _linear(there, target, config, seed)
    return metrics


def _linear(features: ProbeFeatures, probe: Probe, config: EvaluationConfig, seed: int) -> float:
    return linear_probe_top1(
        features.fit,
        probe.labels[probe.fit],
        features.score,
        probe.labels[probe.score],
        classes=probe.classes,
        epochs=config.linear_epochs,
        batch_size=config.linear_batch_size,
        learning_rate=config.linear_learning_rate,
        seed=seed,
        alive=probe.alive,
    )

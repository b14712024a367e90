"""Each published metric against an independent computation, on features for which all of them differ."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch

from hico_platform.build import build_model
from hico_platform.config.trial import EvaluationConfig
from hico_platform.evaluate.data import eval_features, pose_features
from hico_platform.evaluate.downstream import downstream, knn
from tests.handmade import (
    handmade_data,
    handmade_encoder,
    points,
    sklearn_knn,
    sklearn_linear,
    sklearn_map,
    sklearn_recall,
)
from tests.small import small_config, small_split, small_store

CPU = torch.device("cpu")

SOURCE = points(classes=4, train=300, held_out=250, seed=0, noise=0.8)
TARGET = points(classes=3, train=200, held_out=150, seed=1, noise=0.4)
CONFIG = EvaluationConfig(centre_crop=0.8, linear_epochs=300)


@pytest.mark.slow
def test_every_metric_is_what_its_name_says() -> None:
    expected = {
        "knn_top1": sklearn_knn(SOURCE),
        "retrieval_top1": sklearn_knn(SOURCE),
        "recognition_top1": sklearn_linear(SOURCE),
        "retrieval_recall_at_5": sklearn_recall(SOURCE, 5),
        "retrieval_map": sklearn_map(SOURCE),
        "transfer_top1": sklearn_linear(TARGET),
    }
    apart = [*set(expected.values()), sklearn_knn(TARGET), sklearn_recall(TARGET, 5), sklearn_map(TARGET)]
    assert all(abs(one - other) > 0.015 for one, other in itertools.combinations(apart, 2)), (
        "a metric in the place of another one is seen"
    )
    (source, views), (target, target_views) = handmade_data(SOURCE), handmade_data(TARGET)
    metrics = downstream(handmade_encoder(), source=source, target=target, config=CONFIG, seed=0)
    assert metrics == pytest.approx(expected, abs=1e-6)
    assert views.shares == target_views.shares == {0.8}


def test_k_of_recall_is_as_configured() -> None:
    source, _ = handmade_data(SOURCE)
    config = EvaluationConfig(linear_epochs=1, recall_at=2)
    metrics = downstream(handmade_encoder(), source=source, target=None, config=config, seed=0)
    assert metrics["retrieval_recall_at_2"] == pytest.approx(sklearn_recall(SOURCE, 2))
    assert metrics["retrieval_top1"] == pytest.approx(sklearn_knn(SOURCE))


def test_validation_and_raw_poses_are_scored_by_nearest_neighbours() -> None:
    source, views = handmade_data(SOURCE)
    features = eval_features(handmade_encoder(), data=source, config=CONFIG)
    assert knn(features, data=source) == pytest.approx(sklearn_knn(SOURCE))
    assert knn(pose_features(data=source, config=CONFIG), data=source) == pytest.approx(sklearn_knn(SOURCE))
    assert views.shares == {0.8}


def test_whoever_waits_hears_of_each_part_that_is_encoded() -> None:
    data, _ = handmade_data(SOURCE)
    calls: list[None] = []
    eval_features(handmade_encoder(), data=dataclasses.replace(data, alive=lambda: calls.append(None)), config=CONFIG)
    assert len(calls) >= 2


def test_downstream_names_and_ranges(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store")
    config = small_config()
    encoder = build_model(config, layout=store.layout, device=CPU).query.encoder
    data = small_split(store).eval_data(config, device=CPU)
    metrics = downstream(encoder, source=data, target=data, config=config.evaluation, seed=0)
    assert set(metrics) == {
        "knn_top1", "recognition_top1", "retrieval_top1", "retrieval_recall_at_5", "retrieval_map", "transfer_top1",
    }  # fmt: skip
    assert all(0 <= value <= 1 for value in metrics.values())
    features = eval_features(encoder, data=data, config=config.evaluation)
    assert metrics["retrieval_top1"] == metrics["knn_top1"] == knn(features, data=data)
    assert metrics == downstream(encoder, source=data, target=data, config=config.evaluation, seed=0, features=features)
    assert "transfer_top1" not in downstream(encoder, source=data, target=None, config=config.evaluation, seed=0)

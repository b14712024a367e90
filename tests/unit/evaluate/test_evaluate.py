from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hico_platform.build import build_model
from hico_platform.evaluate.downstream import downstream, eval_features, knn, raw_pose_knn
from hico_platform.evaluate.features import encoder_features
from hico_platform.evaluate.knn import knn_top1, nearest
from hico_platform.evaluate.linear import linear_probe_top1
from hico_platform.evaluate.retrieval import retrieval
from tests.small import small_config, small_split, small_store

CPU = torch.device("cpu")


def random_features(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 7, generator=torch.Generator().manual_seed(seed))


def test_nearest_is_brute_force_cosine() -> None:
    gallery, queries = random_features(300, 0), random_features(2500, 1)
    expected = torch.nn.functional.cosine_similarity(queries[:, None], gallery[None], dim=2).argmax(dim=1)
    assert torch.equal(nearest(gallery, queries)[:, 0], expected)


def test_ties_go_to_the_first() -> None:
    gallery = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    assert nearest(gallery, torch.tensor([[5.0, 0.0]])).tolist() == [[1]]
    labels = torch.tensor([0, 1, 2, 2])
    assert knn_top1(gallery, labels, torch.tensor([[5.0, 0.0]]), torch.tensor([1])) == 1.0


@pytest.mark.parametrize("cells", [2**23, 40 * 70, 1])
def test_retrieval_against_its_definition(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hico_platform.evaluate.retrieval.CELLS", cells)
    gallery, queries = random_features(40, 2), random_features(300, 3)
    random = np.random.default_rng(0)
    gallery_labels = torch.from_numpy(random.integers(0, 4, 40))
    query_labels = torch.from_numpy(random.integers(0, 4, 300))
    got = retrieval(gallery, gallery_labels, queries, query_labels, k=5)
    similarity = torch.nn.functional.cosine_similarity(queries[:, None], gallery[None], dim=2)
    averages, hits = [], []
    for row, label in zip(similarity, query_labels, strict=True):
        relevant = (gallery_labels[row.argsort(descending=True)] == label).numpy()
        places = np.flatnonzero(relevant)
        averages.append(np.mean([(n + 1) / (place + 1) for n, place in enumerate(places)]))
        hits.append(relevant[:5].any())
    assert got.mean_average_precision == pytest.approx(np.mean(averages), abs=1e-9)
    assert got.recall_at_k == pytest.approx(np.mean(hits))
    assert got.top1 == knn_top1(gallery, gallery_labels, queries, query_labels)


def test_a_query_without_relevant_entries_counts_as_zero() -> None:
    got = retrieval(random_features(9, 0), torch.zeros(9), random_features(2, 1), torch.tensor([0, 1]), k=5)
    assert got == (0.5, 0.5, 0.5)


def test_linear_probe_learns_separable_features_and_is_seeded() -> None:
    labels = torch.arange(400) % 5
    features = torch.nn.functional.one_hot(labels, 5) + 0.3 * random_features(400, 1)[:, :5]

    def probe(seed: int) -> float:
        return linear_probe_top1(
            features[:300], labels[:300], features[300:], labels[300:],
            classes=5, epochs=20, batch_size=64, learning_rate=0.5, seed=seed,
        )  # fmt: skip

    assert probe(0) > 0.9
    assert probe(0) == probe(0)


def test_features_leave_the_encoder_in_its_mode_and_ignore_dropout(tmp_path: Path) -> None:
    store = small_store(tmp_path / "store", count=8)
    config = small_config(model__encoder="transformer", model__dropout=0.5)
    encoder = build_model(config, layout=store.layout, device=CPU).query.encoder
    encoder.train()
    data = small_split(store).eval_data(config, device=CPU)
    first, second = (
        encoder_features(encoder, views=data.views, indices=torch.arange(8), centre_crop=0.95) for _ in range(2)
    )
    assert encoder.training
    assert first.shape == (8, encoder.feature_width)
    assert torch.equal(first, second)


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
    assert 0 <= raw_pose_knn(data=data, config=config.evaluation) <= 1

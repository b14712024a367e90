"""Retrieval metrics against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hico_platform.evaluate.knn import knn_top1
from hico_platform.evaluate.retrieval import retrieval
from tests.handmade import random_features


@pytest.mark.parametrize("pairs", [2**23, 40 * 70, 1])
def test_retrieval_against_its_definition(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hico_platform.evaluate.retrieval.RANKED_PAIRS", pairs)
    gallery, queries = random_features(40, width=7, seed=2), random_features(300, width=7, seed=3)
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
    got = retrieval(
        random_features(9, width=7, seed=0),
        torch.zeros(9),
        random_features(2, width=7, seed=1),
        torch.tensor([0, 1]),
        k=5,
    )
    assert got == (0.5, 0.5, 0.5)

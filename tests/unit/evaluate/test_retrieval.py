"""Retrieval metrics against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hico_platform.evaluate.knn import knn_top1
from hico_platform.evaluate.retrieval import average_precisions, retrieval
from tests.handmade import neighbours_by_definition, random_features


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


@pytest.mark.parametrize("rank", [1, 2, 7, 30])
def test_a_query_with_one_relevant_entry_has_the_reciprocal_of_its_rank(rank: int) -> None:
    angles = torch.linspace(0.1, 1.5, 30)
    gallery, labels = torch.stack([angles.cos(), angles.sin()], dim=1), torch.zeros(30)
    labels[rank - 1] = 1
    got = retrieval(gallery, labels, torch.tensor([[1.0, 0.0]]), torch.tensor([1]), k=7)
    assert got == (float(rank == 1), float(rank <= 7), pytest.approx(1 / rank, abs=1e-12))


def test_entries_of_equal_cosine_are_ranked_by_index() -> None:
    gallery = random_features(1, width=16).repeat(400, 1)
    labels = (torch.arange(400) % 3 == 2).long()
    ranks = np.flatnonzero(labels.numpy()) + 1
    got = retrieval(gallery, labels, gallery[:2], torch.tensor([1, 1]), k=3)
    assert got.mean_average_precision == pytest.approx(np.mean(np.arange(1, len(ranks) + 1) / ranks), abs=1e-12)
    assert (got.top1, got.recall_at_k) == (0.0, 1.0)


def test_each_query_has_its_own_average_precision() -> None:
    gallery, queries = random_features(60, width=7, seed=2), random_features(50, width=7, seed=3)
    gallery[10:20] = gallery[:10].clone()  # equal cosines among others
    labels, query_labels = torch.arange(60) * 7 % 5, torch.arange(50) % 6  # of class 5 there is none
    found = average_precisions(gallery, labels, queries, query_labels)
    order = neighbours_by_definition(gallery, queries, 60)
    for average, ranked, label in zip(found.tolist(), labels[order], query_labels, strict=True):
        places = np.flatnonzero((ranked == label).numpy())
        expected = np.mean(np.arange(1, len(places) + 1) / (places + 1)) if len(places) else 0.0
        assert average == pytest.approx(expected, abs=1e-12)

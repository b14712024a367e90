from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from hico_platform.errors import DataError
from hico_platform.evaluate.knn import nearest
from hico_platform.evaluate.knn_subjects import knn_subjects
from tests.handmade import points


@pytest.mark.parametrize("seed", range(3))
def test_each_sequence_asks_the_sequences_of_others_alone(seed: int) -> None:
    given = points(classes=5, train=160, held_out=0, seed=seed, width=24)
    persons = np.random.default_rng(seed).integers(0, 7, size=160)
    features = given.train + np.eye(7, 24)[persons] * 3  # people resemble themselves more than their action
    cosines = cosine_similarity(features.astype(np.float32).astype(np.float64))
    among_all = np.where(np.eye(160, dtype=bool), -np.inf, cosines).argmax(axis=1)
    cosines[persons[:, None] == persons] = -np.inf
    expected = given.train_labels[cosines.argmax(axis=1)] == given.train_labels
    found = knn_subjects(
        torch.tensor(features, dtype=torch.float32), torch.tensor(given.train_labels), persons=torch.tensor(persons)
    )
    assert found.per_sequence is not None
    np.testing.assert_array_equal(found.per_sequence.numpy().astype(bool), expected)
    assert found.value == pytest.approx(expected.mean())
    assert found.value != pytest.approx((given.train_labels[among_all] == given.train_labels).mean())


def test_sequences_of_one_person_are_refused() -> None:
    with pytest.raises(DataError, match=r"knn_subjects: expected at least 2 persons .*, got 1; take another"):
        knn_subjects(torch.rand(4, 3), torch.zeros(4, dtype=torch.int64), persons=torch.ones(4, dtype=torch.int64))


@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_apart_are_those_of_a_gallery_without_the_group(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    gallery, queries = (torch.randn(n, 16, generator=generator) for n in (60, 20))
    groups, own = torch.arange(60) % 4, torch.arange(20) % 5  # the last group of queries has none in the gallery
    found = nearest(gallery, queries, k=k, apart=(groups, own))
    for query, row in enumerate(found):
        others = (groups != own[query]).nonzero()[:, 0]
        expected = others[nearest(gallery[others], queries[query : query + 1], k=k)[0]]
        assert torch.equal(row, expected)

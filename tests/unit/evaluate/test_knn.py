"""Nearest neighbours: exact, whatever ruled the others out, with equal ones by index."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from hico_platform.evaluate import knn
from hico_platform.evaluate.knn import knn_predict, knn_top1, nearest
from hico_platform.evaluate.knn_prefilter import Float32Prefilter, Int8Prefilter, Prefilter
from tests.handmade import neighbours_by_definition, random_features

PREFILTERS = pytest.mark.parametrize("make", [Float32Prefilter, Int8Prefilter])
Make = Callable[[Tensor], Prefilter]


@PREFILTERS
@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("alike", [0.0, 8.0])
def test_neighbours_are_those_of_the_definition(make: Make, k: int, alike: float) -> None:
    gallery, queries = random_features(600, alike=alike), random_features(301, seed=1, alike=alike)
    assert torch.equal(
        nearest(gallery, queries, k=k, prefilter=make(gallery)), neighbours_by_definition(gallery, queries, k)
    )


@PREFILTERS
def test_equal_rows_go_to_the_lower_index_wherever_they_lie(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = random_features(997, width=333, alike=2.0)
    twins = torch.tensor([5, 6, 400, 512, 700, 996])
    gallery[twins] = gallery[6].clone()
    queries = gallery[6] + 1e-3 * random_features(300, width=333, seed=3)
    expected = twins.repeat(300, 1)
    for pairs in (2**26, 997 * 7, 1):
        monkeypatch.setattr(knn, "BLOCK_PAIRS", pairs)
        some = queries if pairs > 1 else queries[:5]
        assert torch.equal(nearest(gallery, some, k=6, prefilter=make(gallery)), expected[: len(some)])
        assert nearest(gallery, some, prefilter=make(gallery)).unique().tolist() == [5]


@PREFILTERS
def test_cosines_closer_than_float32_tells_apart_are_decided(make: Make) -> None:
    query = random_features(1, width=64).double()
    across = random_features(1, width=64, seed=1).double()
    gallery = torch.cat([query + step * across for step in (3e-5, 2e-5, 1e-5, 4e-5)]).float()
    assert nearest(gallery, query.float(), k=4, prefilter=make(gallery)).tolist() == [[2, 1, 0, 3]]


@PREFILTERS
def test_rows_without_a_direction_have_cosine_zero(make: Make) -> None:
    gallery = random_features(8, width=16).abs()
    gallery[1] = 0.0
    gallery[4, 3] = float("nan")
    gallery[6, 0] = float("inf")
    queries = torch.cat([gallery[2:3], -gallery[2:3], gallery[4:5]])
    found = nearest(gallery, queries, k=8, prefilter=make(gallery))
    assert found[0, 0] == 2
    assert found[0, 5:].tolist() == [1, 4, 6]
    assert found[1, :3].tolist() == [1, 4, 6]
    assert found[2].tolist() == list(range(8))


def test_features_of_other_types_and_sizes() -> None:
    gallery, queries = random_features(40), random_features(9, seed=1)
    expected = neighbours_by_definition(gallery, queries, 1)
    assert torch.equal(nearest(gallery.double(), queries.double()), expected)
    assert torch.equal(nearest(gallery.bfloat16(), queries.bfloat16()),
                       neighbours_by_definition(gallery.bfloat16(), queries.bfloat16(), 1))  # fmt: skip
    assert nearest(gallery[:3], queries, k=7).shape == (9, 3)
    assert nearest(gallery, queries[:0], k=7).shape == (0, 7)


def test_votes_of_the_neighbours() -> None:
    angle = torch.tensor([0.0, 0.1, 0.2, 0.3, 1.5])
    gallery = torch.stack([angle.cos(), angle.sin()], dim=1)
    labels = torch.tensor([3, 2, 2, 3, 0])
    query = torch.tensor([[2.0, 0.0]])
    assert [int(knn_predict(gallery, labels, query, k=k)) for k in (1, 2, 3, 4, 5)] == [3, 2, 2, 2, 2]
    assert knn_top1(gallery, labels, query, torch.tensor([2]), k=3) == 1.0
    assert knn_top1(gallery, labels, query, torch.tensor([2])) == 0.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("allowed", ["highest", "high", "medium"])
def test_a_gpu_finds_the_same(allowed: str) -> None:
    gallery, queries = (
        random_features(5000, width=1500, alike=3.0),
        random_features(2100, width=1500, seed=1, alike=3.0),
    )
    gallery[4000:4100] = gallery[:100]
    expected = nearest(gallery, queries, k=5)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(allowed)
        assert torch.equal(nearest(gallery.cuda(), queries.cuda(), k=5).cpu(), expected)
    finally:
        torch.set_float32_matmul_precision(before)


def test_ties_go_to_the_first() -> None:
    gallery = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    assert nearest(gallery, torch.tensor([[5.0, 0.0]])).tolist() == [[1]]
    labels = torch.tensor([0, 1, 2, 2])
    assert knn_top1(gallery, labels, torch.tensor([[5.0, 0.0]]), torch.tensor([1])) == 1.0


@PREFILTERS
@pytest.mark.parametrize("better", [0, 1])
def test_of_two_that_are_left_the_better_one_is_taken(make: Make, better: int) -> None:
    query, across, other = (random_features(1, width=64, seed=seed).double() for seed in range(3))
    steps = (2e-5, 4e-5) if better == 0 else (4e-5, 2e-5)
    gallery = torch.cat([*(query + step * across for step in steps), other, -query]).float()
    assert nearest(gallery, query.float(), prefilter=make(gallery)).tolist() == [[better]]
    assert nearest(gallery, query.float(), k=2, prefilter=make(gallery)).tolist() == [[better, 1 - better]]


@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_votes_are_those_of_scikit_learn(k: int) -> None:
    gallery, queries = random_features(200, width=8), random_features(60, width=8, seed=1)
    labels = torch.arange(200) * 7 % 5
    classifier = KNeighborsClassifier(n_neighbors=k, metric="cosine").fit(gallery.double().numpy(), labels.numpy())
    expected = classifier.predict(queries.double().numpy())
    assert knn_predict(gallery, labels, queries, k=k).tolist() == expected.tolist()
    if k == 1:
        assert knn_predict(gallery, labels, queries).tolist() == expected.tolist()


@PREFILTERS
def test_neighbours_of_bfloat16_features_are_exact(make: Make) -> None:
    gallery = random_features(600, alike=8.0).bfloat16()
    queries = random_features(200, seed=1, alike=8.0).bfloat16()
    expected = neighbours_by_definition(gallery, queries, 5)
    assert torch.equal(nearest(gallery, queries, k=5, prefilter=make(gallery.float())), expected)

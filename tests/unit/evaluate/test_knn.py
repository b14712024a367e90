"""Nearest neighbours: exact, whatever ruled the others out, with equal ones by index."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hico_platform.evaluate import knn
from hico_platform.evaluate import knn_prefilter as screens
from hico_platform.evaluate.knn import knn_predict, knn_top1, nearest
from hico_platform.evaluate.knn_prefilter import FloatScreen, Int8Screen, Screen, choose_screen

SCREENS = pytest.mark.parametrize("make", [FloatScreen, Int8Screen])
Make = Callable[[Tensor], Screen]


def features(count: int, *, width: int = 70, seed: int = 0, alike: float = 0.0) -> Tensor:
    """Random features; ``alike`` adds a direction that all share."""
    drawn = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return drawn + alike * torch.linspace(0.5, 1.5, width)


def by_definition(gallery: Tensor, queries: Tensor, k: int) -> Tensor:
    cosines = torch.nn.functional.normalize(queries.double()) @ torch.nn.functional.normalize(gallery.double()).T
    return cosines.argsort(dim=1, descending=True, stable=True)[:, :k]


@SCREENS
@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("alike", [0.0, 8.0])
def test_neighbours_are_those_of_the_definition(make: Make, k: int, alike: float) -> None:
    gallery, queries = features(600, alike=alike), features(301, seed=1, alike=alike)
    assert torch.equal(nearest(gallery, queries, k=k, screen=make(gallery)), by_definition(gallery, queries, k))


@SCREENS
def test_bounds_hold_and_are_tight_enough_to_rule_out(make: Make) -> None:
    gallery, queries = features(500, width=1000, alike=3.0), features(64, width=1000, seed=1, alike=3.0)
    screen = make(gallery)
    truth = torch.nn.functional.normalize(queries.double()) @ torch.nn.functional.normalize(gallery.double()).T
    quick = screen.block(queries)
    assert ((quick.cosines - truth).abs() <= quick.error).all()
    assert quick.error.max() < 0.005
    rows, places = torch.arange(64).repeat_interleave(2), torch.tensor([3, 400]).repeat(64)
    better = screen.pairs(queries, rows, places)
    if better is not None:
        assert ((better.cosines - truth[rows, places]).abs() <= better.error).all()
        assert better.error.max() < quick.error.min()


@SCREENS
def test_equal_rows_go_to_the_lower_index_wherever_they_lie(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = features(997, width=333, alike=2.0)
    twins = torch.tensor([5, 6, 400, 512, 700, 996])
    gallery[twins] = gallery[6].clone()
    queries = gallery[6] + 1e-3 * features(300, width=333, seed=3)
    expected = twins.repeat(300, 1)
    for cells in (2**26, 997 * 7, 1):
        monkeypatch.setattr(knn, "CELLS", cells)
        some = queries if cells > 1 else queries[:5]
        assert torch.equal(nearest(gallery, some, k=6, screen=make(gallery)), expected[: len(some)])
        assert nearest(gallery, some, screen=make(gallery)).unique().tolist() == [5]


@SCREENS
def test_cosines_closer_than_float32_tells_apart_are_decided(make: Make) -> None:
    query = features(1, width=64).double()
    across = features(1, width=64, seed=1).double()
    gallery = torch.cat([query + step * across for step in (3e-5, 2e-5, 1e-5, 4e-5)]).float()
    assert nearest(gallery, query.float(), k=4, screen=make(gallery)).tolist() == [[2, 1, 0, 3]]


@SCREENS
def test_rows_without_a_direction_have_cosine_zero(make: Make) -> None:
    gallery = features(8, width=16).abs()
    gallery[1] = 0.0
    gallery[4, 3] = float("nan")
    gallery[6, 0] = float("inf")
    queries = torch.cat([gallery[2:3], -gallery[2:3], gallery[4:5]])
    found = nearest(gallery, queries, k=8, screen=make(gallery))
    assert found[0, 0] == 2
    assert found[0, 5:].tolist() == [1, 4, 6]
    assert found[1, :3].tolist() == [1, 4, 6]
    assert found[2].tolist() == list(range(8))


def test_int8_gives_way_where_it_rules_out_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, queries = features(400), features(50, seed=1)
    gallery[:, 0] *= 1e4  # one number takes all of int8's range
    queries[:, 0] *= 1e4
    expected = by_definition(gallery, queries, 3)
    blocks = []
    block = FloatScreen.block
    monkeypatch.setattr(FloatScreen, "block", lambda self, rows: blocks.append(len(rows)) or block(self, rows))
    assert torch.equal(nearest(gallery, queries, k=3, screen=Int8Screen(gallery)), expected)
    assert blocks == [50]


def test_int8_is_chosen_for_large_galleries_of_a_cpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = features(64, width=32)
    monkeypatch.setattr(screens, "has_int8_products", lambda: True)
    assert isinstance(choose_screen(gallery, 10), FloatScreen)
    assert isinstance(choose_screen(gallery, 2**30), Int8Screen)
    assert isinstance(choose_screen(gallery.double(), 2**30), FloatScreen)
    monkeypatch.setattr(screens, "has_int8_products", lambda: False)
    assert isinstance(choose_screen(gallery, 2**30), FloatScreen)


def test_products_of_lower_precision_widen_the_bound() -> None:
    gallery, queries = features(50), features(5, seed=1)
    before = torch.get_float32_matmul_precision()
    exact = FloatScreen(gallery).block(queries).error
    try:
        torch.set_float32_matmul_precision("medium")
        assert (FloatScreen(gallery).block(queries).error > exact + 0.005).all()
    finally:
        torch.set_float32_matmul_precision(before)


def test_features_of_other_types_and_sizes() -> None:
    gallery, queries = features(40), features(9, seed=1)
    expected = by_definition(gallery, queries, 1)
    assert torch.equal(nearest(gallery.double(), queries.double()), expected)
    assert torch.equal(nearest(gallery.bfloat16(), queries.bfloat16()),
                       by_definition(gallery.bfloat16(), queries.bfloat16(), 1))  # fmt: skip
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
    gallery, queries = features(5000, width=1500, alike=3.0), features(2100, width=1500, seed=1, alike=3.0)
    gallery[4000:4100] = gallery[:100]
    expected = nearest(gallery, queries, k=5)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(allowed)
        assert torch.equal(nearest(gallery.cuda(), queries.cuda(), k=5).cpu(), expected)
    finally:
        torch.set_float32_matmul_precision(before)

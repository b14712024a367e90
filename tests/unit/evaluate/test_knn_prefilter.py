"""Approximate cosines: their bounds hold, and are tight enough to rule pairs out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hico_platform.evaluate import knn_prefilter
from hico_platform.evaluate.knn import nearest
from hico_platform.evaluate.knn_prefilter import Float32Prefilter, Int8Prefilter, Prefilter, choose_prefilter
from tests.handmade import exact_cosines, neighbours_by_definition, random_features

PREFILTERS = pytest.mark.parametrize("make", [Float32Prefilter, Int8Prefilter])
Make = Callable[[Tensor], Prefilter]


@PREFILTERS
def test_bounds_hold_and_are_tight_enough_to_rule_out(make: Make) -> None:
    gallery, queries = random_features(500, width=1000, alike=3.0), random_features(64, width=1000, seed=1, alike=3.0)
    prefilter = make(gallery)
    truth = exact_cosines(gallery, queries)
    approximate = prefilter.cosines(queries)
    assert ((approximate.cosines - truth).abs() <= approximate.error).all()
    assert approximate.error.max() < 0.005
    rows, columns = torch.arange(64).repeat_interleave(2), torch.tensor([3, 400]).repeat(64)
    refined = prefilter.refine(queries, rows, columns)
    if refined is not None:
        assert ((refined.cosines - truth[rows, columns]).abs() <= refined.error).all()
        assert refined.error.max() < approximate.error.min()


def test_int8_gives_way_where_it_rules_out_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, queries = random_features(400), random_features(50, seed=1)
    gallery[:, 0] *= 1e4  # one number takes all of int8's range
    queries[:, 0] *= 1e4
    expected = neighbours_by_definition(gallery, queries, 3)
    blocks = []
    cosines = Float32Prefilter.cosines
    monkeypatch.setattr(Float32Prefilter, "cosines", lambda self, rows: blocks.append(len(rows)) or cosines(self, rows))
    assert torch.equal(nearest(gallery, queries, k=3, prefilter=Int8Prefilter(gallery)), expected)
    assert blocks == [50]


def test_int8_is_chosen_for_large_galleries_of_a_cpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = random_features(64, width=32)
    monkeypatch.setattr(knn_prefilter, "has_int8_products", lambda: True)
    assert isinstance(choose_prefilter(gallery, 10), Float32Prefilter)
    assert isinstance(choose_prefilter(gallery, 2**30), Int8Prefilter)
    assert isinstance(choose_prefilter(gallery.double(), 2**30), Float32Prefilter)
    monkeypatch.setattr(knn_prefilter, "has_int8_products", lambda: False)
    assert isinstance(choose_prefilter(gallery, 2**30), Float32Prefilter)


def test_products_of_lower_precision_widen_the_bound() -> None:
    gallery, queries = random_features(50), random_features(5, seed=1)
    before = torch.get_float32_matmul_precision()
    exact = Float32Prefilter(gallery).cosines(queries).error
    try:
        torch.set_float32_matmul_precision("medium")
        assert (Float32Prefilter(gallery).cosines(queries).error > exact + 0.005).all()
    finally:
        torch.set_float32_matmul_precision(before)

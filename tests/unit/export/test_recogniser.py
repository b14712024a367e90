"""Neighbours and probabilities against scikit-learn's, and what a gallery keeps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from tests.exported import CLASS_NAMES, small_recogniser

WIDTH = 2 * 4 * 16


def queries(count: int = 20) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, WIDTH)).astype(np.float32)


def test_neighbours_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = small_recogniser(count=50)
    found = recogniser.neighbours(queries(), k=6)
    index = NearestNeighbors(n_neighbors=6, metric="cosine").fit(recogniser.gallery.double().numpy())
    distances, rows = index.kneighbors(queries().astype(np.float64))
    assert [[each.name for each in of_query] for of_query in found] == [[f"S{row:03d}" for row in of] for of in rows]
    assert [[each.label for each in of_query] for of_query in found] == [
        [CLASS_NAMES[row % 3] for row in of] for of in rows
    ]
    np.testing.assert_allclose([[each.distance for each in of] for of in found], distances, atol=1e-12)


def test_there_are_no_more_neighbours_than_sequences() -> None:
    (found,) = small_recogniser(count=4).neighbours(queries(1), k=9)
    assert sorted(each.name for each in found) == ["S000", "S001", "S002", "S003"]


def test_a_sequence_is_its_own_neighbour_at_distance_0_and_its_opposite_at_2() -> None:
    recogniser = small_recogniser(count=2)
    gallery = torch.stack([recogniser.gallery[0], -3 * recogniser.gallery[0]])
    recogniser = dataclasses.replace(recogniser, gallery=gallery)
    (found,) = recogniser.neighbours(gallery[:1].numpy(), k=2)
    assert [each.name for each in found] == ["S000", "S001"]
    np.testing.assert_allclose([each.distance for each in found], [0, 2], atol=1e-12)

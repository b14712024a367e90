"""Neighbours and probabilities against scikit-learn's, and what a gallery keeps."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from hico_platform.export import recogniser as module
from hico_platform.export.recogniser import fit_recogniser, gallery_rows
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


def test_the_probe_is_scikit_learns_regression_on_standardised_features() -> None:
    generator = np.random.default_rng(2)
    labels = np.repeat([0, 2, 3], 20)  # the class 1 has no sequence
    features = (generator.normal(size=(60, 12)) * generator.uniform(0.1, 5, 12) + labels[:, None] * 0.7).astype(
        np.float32
    )
    recogniser = fit_recogniser(
        torch.from_numpy(features),
        torch.from_numpy(labels),
        names=[f"S{row}" for row in range(60)],
        class_names=["a", "b", "c", "d"],
        subjects=torch.arange(60) % 6,
        seed=0,
    )
    assert (recogniser.sequences, recogniser.names[:2]) == (60, ("S0", "S1"))
    said = re.search(r"L2 logistic regression, C = ([0-9.e+-]+) by", recogniser.probe)
    assert said
    scaler = StandardScaler().fit(features.astype(np.float64))
    expected = LogisticRegression(C=float(said[1]), max_iter=5000, tol=1e-10).fit(
        scaler.transform(features.astype(np.float64)), labels
    )
    asked = generator.normal(size=(10, 12)).astype(np.float32) * 2
    found = recogniser.probabilities(asked)
    np.testing.assert_allclose(
        found[:, [0, 2, 3]], expected.predict_proba(scaler.transform(asked.astype(np.float64))), atol=2e-3
    )
    assert (found[:, 1] == 0).all()


def test_a_large_gallery_is_float16_and_a_larger_one_a_share_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FLOAT32_BYTES", 40 * 8 * 4)
    monkeypatch.setattr(module, "MOST_GALLERY_BYTES", 60 * 8 * 2)
    assert gallery_rows(torch.zeros(40, dtype=torch.int64), width=8)[1] is torch.float32
    rows, dtype = gallery_rows(torch.zeros(41, dtype=torch.int64), width=8)
    assert (len(rows), dtype) == (41, torch.float16)
    labels = torch.tensor([0, 0, 1, 0] * 30)
    rows, dtype = gallery_rows(labels, width=8)
    assert (len(rows), dtype) == (60, torch.float16)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert labels[rows].bincount().tolist() == [45, 15], "as in the whole"
    gaps = rows[labels[rows] == 0].diff()
    assert int(gaps.max()) <= 4, "from the beginning to the end"


def test_the_sizes_are_those_that_the_documents_state() -> None:
    assert (module.MOST_FLOAT32_BYTES, module.MOST_GALLERY_BYTES) == (256 * 2**20, 2**30)
    ntu60_xsub = gallery_rows(torch.zeros(40_091, dtype=torch.int64), width=4096)
    assert (len(ntu60_xsub[0]), ntu60_xsub[1]) == (40_091, torch.float16)


def test_training_sequences_of_one_class_are_that_class() -> None:
    recogniser = fit_recogniser(
        torch.randn(4, 6), torch.ones(4, dtype=torch.int64), names="abcd", class_names=["x", "y"], subjects=None, seed=0
    )
    assert recogniser.probabilities(np.zeros((2, 6), np.float32)).tolist() == [[0, 1], [0, 1]]

from __future__ import annotations

import numpy as np
import pytest
import torch

from hico_platform.evaluate import feature_map as module
from hico_platform.evaluate.feature_map import feature_map


def _two_directions(each: int) -> torch.Tensor:
    """Two groups by direction, whose lengths differ far more than their directions."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.eye(6)[torch.arange(2 * each) % 2] + 0.05 * torch.randn(2 * each, 6, generator=generator)
    return directions * 10 ** (6 * torch.rand(2 * each, 1, generator=generator) - 3)


@pytest.mark.slow
def test_the_nearest_in_the_plane_are_the_nearest_by_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SEQUENCES", 40)
    found = feature_map(_two_directions(30), seed=3)
    assert found is not None
    assert found.positions.shape == (40, 2)
    assert (np.diff(found.sequences) > 0).all()
    assert found.sequences.max() < 60
    group = found.sequences % 2
    apart = np.linalg.norm(found.positions[:, None] - found.positions[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).mean() > 0.95
    again, other = feature_map(_two_directions(30), seed=3), feature_map(_two_directions(30), seed=4)
    assert again is not None
    assert other is not None
    assert np.array_equal(again.positions, found.positions)
    assert not np.array_equal(other.sequences, found.sequences)


@pytest.mark.slow
def test_features_without_a_layout() -> None:
    assert feature_map(torch.randn(3, 5), seed=0) is None
    assert feature_map(torch.ones(9, 5), seed=0) is None
    assert feature_map(torch.full((9, 5), torch.nan), seed=0) is None

from __future__ import annotations

import torch

from hico_platform.evaluate.spread import feature_spread


def test_features_in_all_directions_spread_by_one_whatever_their_length() -> None:
    features = torch.randn(4096, 64, generator=torch.Generator().manual_seed(0))
    assert abs(feature_spread(features) - 1) < 0.01
    assert abs(feature_spread(features * torch.linspace(0.1, 9, 4096)[:, None]) - 1) < 0.01


def test_features_of_a_collapsed_encoder_do_not_spread() -> None:
    one = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    assert feature_spread(one.expand(100, -1)) < 1e-9
    assert feature_spread(torch.linspace(1, 5, 100)[:, None] * one) < 1e-6, "of one direction"


def test_two_opposite_halves_spread_as_far_as_their_dimensions() -> None:
    features = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert abs(feature_spread(features) - 0.5 * 2**0.5) < 1e-12

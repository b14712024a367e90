from __future__ import annotations

import torch

from hico_platform.enums import Level
from tests.unit.model.test_hico import make, tokens


def test_total_is_the_weighted_sum_of_the_levels() -> None:
    weights = {Level.CLIP: 0.5, Level.PART: 0.0, Level.DOMAIN: 2.0, Level.INSTANCE: 1.5}
    losses = make(weights=weights)(tokens(1), tokens(2)).losses
    expected = sum(weights[level] * losses.levels[level] for level in Level)
    torch.testing.assert_close(losses.total, torch.as_tensor(expected))

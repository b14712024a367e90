"""The spread of features, which tells a collapsed encoder: one whose features are all alike."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def feature_spread(features: Tensor) -> float:
    """The standard deviation of unit features (n, d) over sequences, averaged over dimensions, times the root of d.

    1 where they point in all directions alike, 0 where all are the same (Chen and He, "Exploring Simple Siamese
    Representation Learning", 2021, figure 2).
    """
    unit = F.normalize(features.double(), dim=1)
    return float(unit.std(dim=0, correction=0).mean() * unit.shape[1] ** 0.5)

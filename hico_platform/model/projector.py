"""Five representations from the encoder's features, each projected to P (paper: hierarchical contrast)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hico_platform.enums import Representation
from hico_platform.model.encoder import Features
from hico_platform.ops.cuda_streams import concurrently
from hico_platform.ops.linear import Linear


def head(input_width: int, width: int, projection_width: int) -> nn.Sequential:
    """Linear, ReLU, Linear: (., input_width) to (., P)."""
    return nn.Sequential(Linear(input_width, width), nn.ReLU(), Linear(width, projection_width))


class Projectors(nn.Module):
    """Linear(., D) -> ReLU -> Linear(D, P) for each representation."""

    def __init__(self, *, width: int, granularities: int, projection_width: int) -> None:
        super().__init__()
        inputs = {
            Representation.CLIP: width,
            Representation.PART: width,
            Representation.TEMPORAL_DOMAIN: granularities * width,
            Representation.SPATIAL_DOMAIN: granularities * width,
            Representation.INSTANCE: 2 * granularities * width,
        }
        self.heads = nn.ModuleDict({name.value: head(size, width, projection_width) for name, size in inputs.items()})

    def forward(self, features: Features, *, anchors: bool = False) -> dict[Representation, Tensor]:
        """Projections: clip and part (N, G, P), the others (N, P).

        With ``anchors`` clip and part are (N, 1, P), of granularity 0, all that a query is held against keys by.
        """
        granularities = 1 if anchors else None
        inputs: dict[Representation, Callable[[], Tensor]] = {
            Representation.CLIP: lambda: features.temporal[:, :granularities],
            Representation.PART: lambda: features.spatial[:, :granularities],
            Representation.TEMPORAL_DOMAIN: lambda: features.temporal.flatten(1),
            Representation.SPATIAL_DOMAIN: lambda: features.spatial.flatten(1),
            Representation.INSTANCE: features.instance,
        }
        projections = concurrently(*(partial(self._projected, name, make) for name, make in inputs.items()))
        return dict(zip(inputs, projections, strict=True))

    def _projected(self, name: Representation, make: Callable[[], Tensor]) -> Tensor:
        return self.heads[name.value](make())  # type: ignore[no-any-return]


def unit_vectors(projections: dict[Representation, Tensor]) -> dict[Representation, Tensor]:
    """Each projection (., P) divided by its length, in float32; all of them in one call."""
    shapes = [each.shape for each in projections.values()]
    rows = torch.cat([each.flatten(0, -2) for each in projections.values()]).float()  # (rows, P)
    split = normalize(rows, dim=-1).split([shape[:-1].numel() for shape in shapes])
    return {name: each.view(shape) for name, each, shape in zip(projections, split, shapes, strict=True)}

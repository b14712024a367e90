"""Five representations from the encoder's features, each projected to P."""

from __future__ import annotations

from torch import Tensor, nn

from hico_platform.model.encoder import Features
from hico_platform.model.products import Linear
from hico_platform.vocabulary import Representation


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
        self.heads = nn.ModuleDict(
            {
                name.value: nn.Sequential(Linear(size, width), nn.ReLU(), Linear(width, projection_width))
                for name, size in inputs.items()
            }
        )

    def forward(self, features: Features, *, anchors: bool = False) -> dict[Representation, Tensor]:
        """Projections before normalisation: clip and part (N, G, P), the others (N, P).

        With ``anchors`` clip and part are (N, 1, P), of granularity 0, all that a query is held against keys by.
        """
        granularities = 1 if anchors else None
        inputs = {
            Representation.CLIP: features.temporal[:, :granularities],
            Representation.PART: features.spatial[:, :granularities],
            Representation.TEMPORAL_DOMAIN: features.temporal.flatten(1),
            Representation.SPATIAL_DOMAIN: features.spatial.flatten(1),
            Representation.INSTANCE: features.instance(),
        }
        return {name: self.heads[name.value](value) for name, value in inputs.items()}

"""Five representations from the encoder's features, each projected to P."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hico_platform.model.concurrent import concurrently
from hico_platform.model.contrast import unit_vectors
from hico_platform.model.encoder import Features
from hico_platform.model.products import Linear, column_sums, multiplied
from hico_platform.native.library import kernels_for
from hico_platform.vocabulary import Representation


class Head(nn.Sequential):
    """Linear, ReLU, Linear."""

    def __init__(self, size: int, width: int, projection_width: int) -> None:
        super().__init__(Linear(size, width), nn.ReLU(), Linear(width, projection_width))

    def forward(self, features: Tensor) -> Tensor:
        """(., size) to (., P)."""
        first, second = cast(Linear, self[0]), cast(Linear, self[2])
        parameters = first.weight, first.bias, second.weight, second.bias
        if kernels_for(features, *parameters) is None or torch.is_autocast_enabled("cpu"):
            return super().forward(features)  # type: ignore[no-any-return, no-untyped-call]
        made = _Head.apply(features.reshape(-1, features.shape[-1]), *parameters)  # type: ignore[no-untyped-call]
        return made.view(*features.shape[:-1], -1)  # type: ignore[no-any-return]


class _Head(torch.autograd.Function):
    """All of a head at once: of small products, what a call costs counts."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, weight_2: Tensor, bias_2: Tensor) -> Tensor:
        """``rows`` (M, size), weights (D, size) and (P, D), biases (D,) and (P,)."""
        hidden = multiplied(rows, weight.T, bias=bias).relu_()
        ctx.save_for_backward(rows, hidden, weight, weight_2)
        return multiplied(hidden, weight_2.T, bias=bias_2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of all five."""
        rows, hidden, weight, weight_2 = ctx.saved_tensors
        given = gradients[0].contiguous()
        moved = torch.ops.aten.threshold_backward(multiplied(given, weight_2), hidden, 0.0)
        return (
            multiplied(moved, weight), multiplied(moved.T, rows), column_sums(moved), multiplied(given.T, hidden),
            column_sums(given),
        )  # fmt: skip


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
        self.heads = nn.ModuleDict({name.value: Head(size, width, projection_width) for name, size in inputs.items()})

    def forward(
        self, features: Features, *, anchors: bool = False, units: bool = False
    ) -> dict[Representation, Tensor]:
        """Projections: clip and part (N, G, P), the others (N, P); with ``units`` each over its length, in float32.

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
        made = concurrently(*(partial(self._projected, name, make, units) for name, make in inputs.items()))
        return dict(zip(inputs, made, strict=True))

    def _projected(self, name: Representation, make: Callable[[], Tensor], units: bool) -> Tensor:
        projection: Tensor = self.heads[name.value](make())
        return unit_vectors(projection.float()) if units else projection

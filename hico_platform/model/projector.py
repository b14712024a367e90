"""Five representations from the encoder's features, each projected to P."""

from __future__ import annotations

import ctypes
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
from hico_platform.native.library import Kernels, kernels_for
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


class _Projector(ctypes.Structure):
    """One head, as projectors.h has it."""

    _fields_ = [
        ("rows", ctypes.c_void_p), ("count", ctypes.c_int64), ("lead", ctypes.c_int64), ("size", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in (
            "weight", "bias", "weight_2", "bias_2", "hidden", "made", "lengths", "given", "moved", "ahead", "of_weight",
            "of_bias", "of_weight_2", "of_bias_2",
        )),
    ]  # fmt: skip


class _Small(torch.autograd.Function):
    """All heads of a small model and the unit vectors that they make, by one call each way."""

    @staticmethod
    def forward(
        ctx: Any, temporal: Tensor, spatial: Tensor, anchors: bool, kernels: Kernels, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        """Features (N, G, D), and of each head in turn W (D, .), b (D,), W (P, D) and b (P,)."""
        temporal, spatial, (count, granularities, width) = temporal.contiguous(), spatial.contiguous(), temporal.shape
        wide, rows = granularities * width, count if anchors else count * granularities
        both = torch.cat([temporal.flatten(1), spatial.flatten(1)], dim=1)
        lead = wide if anchors else width
        inputs = [(temporal, rows, lead, width), (spatial, rows, lead, width)]
        inputs += [(temporal, count, wide, wide), (spatial, count, wide, wide), (both, count, 2 * wide, 2 * wide)]
        projected, heads = len(parameters[2]), (_Projector * len(inputs))()
        kept = []
        for head, (given, some, apart, size), first in zip(heads, inputs, range(0, 20, 4), strict=True):
            hidden, made, lengths = (temporal.new_empty(some, each) for each in (width, projected, 1))
            kept += [hidden, made, lengths]
            head.rows, head.count, head.lead, head.size = given.data_ptr(), some, apart, size
            _point(head, _GIVEN, (*parameters[first : first + 4], hidden, made, lengths))
        kernels.call("project_forward", heads, len(heads), width, projected)
        units = kept[1::3]
        ctx.save_for_backward(temporal, spatial, both, *parameters, *kept)
        ctx.heads, ctx.kernels, ctx.sizes = heads, kernels, (width, projected)
        return tuple(each.view(count, -1, projected) for each in units[:2]) + tuple(units[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both features and all parameters."""
        temporal, spatial, _, *saved = ctx.saved_tensors
        (width, projected), heads, found = ctx.sizes, ctx.heads, []
        given = [each.contiguous() for each in gradients]
        moved = temporal.new_empty(sum(head.count for head in heads), width + projected)
        at = moved.data_ptr()
        for head, of_made, first in zip(heads, given, range(0, 20, 4), strict=True):
            of_parameters = [torch.empty_like(each) for each in saved[first : first + 4]]
            found += of_parameters
            head.moved, head.ahead = at, at + head.count * width * 4
            at += head.count * (width + projected) * 4
            _point(head, _WANTED, (of_made, *of_parameters))
        of_temporal, of_spatial = torch.empty_like(temporal), torch.empty_like(spatial)
        ctx.kernels.call("project_backward", heads, width, projected, of_temporal, of_spatial)
        return of_temporal, of_spatial, None, None, *found


_GIVEN = "weight", "bias", "weight_2", "bias_2", "hidden", "made", "lengths"
_WANTED = "given", "of_weight", "of_bias", "of_weight_2", "of_bias_2"
_LARGE = 1 << 16  # elements of the largest weight from which a product is worth all threads


def _point(head: _Projector, names: tuple[str, ...], tensors: tuple[Tensor, ...]) -> None:
    for name, tensor in zip(names, tensors, strict=True):
        setattr(head, name, tensor.data_ptr())


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
        self.small = max(inputs.values()) * width < _LARGE
        self.heads = nn.ModuleDict({name.value: Head(size, width, projection_width) for name, size in inputs.items()})

    def forward(
        self, features: Features, *, anchors: bool = False, units: bool = False
    ) -> dict[Representation, Tensor]:
        """Projections: clip and part (N, G, P), the others (N, P); with ``units`` each over its length, in float32.

        With ``anchors`` clip and part are (N, 1, P), of granularity 0, all that a query is held against keys by.
        """
        if units and (vectors := self._of_small(features, anchors)) is not None:
            return vectors
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

    def _of_small(self, features: Features, anchors: bool) -> dict[Representation, Tensor] | None:
        """The unit vectors by kernels, where these are there and a head is too small to be shared out among threads."""
        if not self.small or features.temporal.is_cuda or torch.is_autocast_enabled("cpu"):
            return None
        parameters = list(self.heads.parameters())
        kernels = kernels_for(features.temporal, features.spatial, *parameters)
        if kernels is None or not kernels.multiplies:
            return None
        made = _Small.apply(features.temporal, features.spatial, anchors, kernels, *parameters)  # type: ignore[no-untyped-call]
        return dict(zip(Representation, made, strict=True))

    def _projected(self, name: Representation, make: Callable[[], Tensor], units: bool) -> Tensor:
        projection: Tensor = self.heads[name.value](make())
        return unit_vectors(projection.float()) if units else projection

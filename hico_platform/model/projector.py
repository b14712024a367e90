"""Five representations from the encoder's features, each projected to P."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hico_platform.enums import Representation
from hico_platform.model.contrast import unit_vectors
from hico_platform.model.encoder import Features
from hico_platform.ops.cpu.library import Kernels, kernels_for
from hico_platform.ops.cuda_streams import concurrently
from hico_platform.ops.linear import Linear, column_sums, multiplied


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


_INPUTS = "weight", "bias", "weight_2", "bias_2", "hidden", "made", "lengths"
_GRADIENTS = "given", "of_weight", "of_bias", "of_weight_2", "of_bias_2"
_LARGE = 1 << 16  # elements of the largest weight from which a product is worth all threads
_MANY = 1 << 12  # rows from which it is, and whose sums are too long for one register


class _Small(torch.autograd.Function):
    """All heads of a small model and the unit vectors that they make, by one call each way."""

    @staticmethod
    def forward(
        ctx: Any, temporal: Tensor, spatial: Tensor, anchors: bool, kernels: Kernels, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        """Features (N, G, D), and of each head in turn W (D, .), b (D,), W (P, D) and b (P,)."""
        (count, granularities, width), projected = temporal.shape, len(parameters[2])
        temporal, spatial = temporal.contiguous(), spatial.contiguous()
        both = torch.cat([temporal.flatten(1), spatial.flatten(1)], dim=1)
        rows = count if anchors else count * granularities
        kept: list[Tensor] = []
        for first, some in zip(range(0, len(parameters), 4), (rows, rows, count, count, count), strict=True):
            kept += [each.contiguous() for each in parameters[first : first + 4]]
            kept += [temporal.new_empty(some, size) for size in (width, projected, 1)]
        heads = _heads(temporal, spatial, both, anchors, kept)
        kernels.call("project_forward", heads, len(heads), width, projected)
        ctx.save_for_backward(temporal, spatial, both, *kept)
        ctx.kernels, ctx.anchors = kernels, anchors
        clip, part, *others = kept[_INPUTS.index("made") :: len(_INPUTS)]
        return clip.view(count, -1, projected), part.view(count, -1, projected), *others

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both features and all parameters."""
        temporal, spatial, both, *kept = ctx.saved_tensors
        width, projected, found = temporal.shape[2], len(kept[2]), []
        heads = _heads(temporal, spatial, both, ctx.anchors, kept)
        moved = temporal.new_empty(sum(head.count for head in heads), width + projected)
        given, at = [each.contiguous() for each in gradients], moved.data_ptr()
        for index, head in enumerate(heads):
            of_parameters = [torch.empty_like(each) for each in kept[len(_INPUTS) * index :][:4]]
            found += of_parameters
            head.moved, head.ahead = at, at + head.count * width * 4
            at += head.count * (width + projected) * 4
            _point(head, _GRADIENTS, given[index], *of_parameters)
        of_temporal, of_spatial = torch.empty_like(temporal), torch.empty_like(spatial)
        ctx.kernels.call("project_backward", heads, width, projected, of_temporal, of_spatial)
        return of_temporal, of_spatial, None, None, *found


def _heads(temporal: Tensor, spatial: Tensor, both: Tensor, anchors: bool, kept: list[Tensor]) -> Any:
    """Where the kernels find each head's rows, parameters and what it made, all in ``kept``, which must outlive it."""
    count, granularities, width = temporal.shape
    wide, rows = granularities * width, count if anchors else count * granularities
    inputs = [(each, rows, wide if anchors else width, width) for each in (temporal, spatial)]
    inputs += [(each, count, each.shape[1:].numel(), each.shape[1:].numel()) for each in (temporal, spatial, both)]
    heads = (_Projector * len(inputs))()
    for index, (head, (given, some, apart, size)) in enumerate(zip(heads, inputs, strict=True)):
        head.rows, head.count, head.lead, head.size = given.data_ptr(), some, apart, size
        _point(head, _INPUTS, *kept[len(_INPUTS) * index :][: len(_INPUTS)])
    return heads


def _point(head: _Projector, names: tuple[str, ...], *tensors: Tensor) -> None:
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
        temporal, spatial = features
        if not self.small or temporal.is_cuda or torch.is_autocast_enabled("cpu"):
            return None
        alike = temporal.dtype is spatial.dtype is torch.float32 and temporal.shape == spatial.shape
        if not alike or temporal.shape[:2].numel() > _MANY:
            return None
        parameters = list(self.heads.parameters())
        kernels = kernels_for(temporal, spatial, *parameters)
        if kernels is None or not kernels.multiplies:
            return None
        made = _Small.apply(temporal, spatial, anchors, kernels, *parameters)  # type: ignore[no-untyped-call]
        return dict(zip(Representation, made, strict=True))

    def _projected(self, name: Representation, make: Callable[[], Tensor], units: bool) -> Tensor:
        projection: Tensor = self.heads[name.value](make())
        return unit_vectors(projection.float()) if units else projection

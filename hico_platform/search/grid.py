"""The grid over a space: every combination of choices and stepped ranges, once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence

from hico_platform.config.schema import Scalar
from hico_platform.config.space import CheckedSpace


def decode(space: CheckedSpace, point: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Field values of a point that has every coordinate; fields whose conditions do not hold are left out."""
    return space.values(lambda axis: point[axis.name])


def grid_points(space: CheckedSpace) -> list[dict[str, Scalar]]:
    """Every point of the grid once, in an order shuffled by the seed.

    Points that differ only where a condition does not hold are one.
    """
    return [point for point, _ in _grid(space)]


def grid_left(space: CheckedSpace, tried: Sequence[Mapping[str, Scalar]]) -> list[dict[str, Scalar]]:
    """The points of the grid whose field values are not among those ``tried``."""
    known = {_key(values) for values in tried}
    return [point for point, values in _grid(space) if _key(values) not in known]


def _grid(space: CheckedSpace) -> list[tuple[dict[str, Scalar], dict[str, Scalar]]]:
    axes = [axis for parameter in space.parameters for axis in parameter.coordinates()]
    found: dict[tuple[tuple[str, Scalar], ...], tuple[dict[str, Scalar], dict[str, Scalar]]] = {}
    for combination in itertools.product(*(axis.grid() for axis in axes)):
        point = {axis.name: value for axis, value in zip(axes, combination, strict=True)}
        values = decode(space, point)
        if space.admits(values):
            found.setdefault(_key(values), (point, values))
    points = list(found.values())
    random.Random(space.settings.sampler.seed).shuffle(points)
    return points


def _key(values: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    """Field values to compare by; sums of steps are rounded."""
    return tuple(
        sorted((name, round(value, 9) if isinstance(value, float) else value) for name, value in values.items())
    )

"""The order of a recording's axes, which every format has its own of, and what an array in another order looks like."""

from __future__ import annotations

from itertools import permutations

MOST_BODIES_RECORDED = 6
"""The most people that a depth sensor tracks; an axis that is longer counts something else, most often frames."""


def ordered(shape: tuple[int, ...], *, order: str, joints: int, coordinates: int) -> bool:
    """Whether an array's axes can be in ``order``, of the letters T, M, J, C.

    J and C have their sizes; bodies M are at most six, and not more than frames T, if there are any.
    """
    size = dict(zip(order, shape, strict=False))
    return (
        len(shape) == len(order)
        and (size["J"], size["C"]) == (joints, coordinates)
        and size.get("M", 1) <= MOST_BODIES_RECORDED
        and (size.get("M", 1) <= size["T"] or not size["T"])
    )


def axes_remedy(shape: tuple[int, ...], *, order: str, joints: int, coordinates: int) -> str | None:
    """What to do with an array that is not ``ordered``: how to swap its axes, or which bodies to keep.

    None if no swapping of its axes helps.
    """
    if len(shape) != len(order) or 0 in shape:
        return None
    for axes in permutations(range(len(order))):
        swapped = tuple(shape[axis] for axis in axes)
        if ordered(swapped, order=order, joints=joints, coordinates=coordinates):
            found = "".join(order[axes.index(axis)] for axis in range(len(order)))
            return f"give array.transpose{axes}: the axes look like ({', '.join(found)})"
    bodies = dict(zip(order, shape, strict=True)).get("M", 0)
    if bodies > MOST_BODIES_RECORDED:
        return f"give the bodies of interest alone, at most {MOST_BODIES_RECORDED}"
    return None

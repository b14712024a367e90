"""An array whose axes are in another order is refused with the swap that it needs."""

from __future__ import annotations

import numpy as np
import pytest

from hico_platform.data.axes import axes_remedy, ordered


@pytest.mark.parametrize("shape", [(56, 25, 3), (56, 2, 25, 3), (6, 6, 25, 3), (1, 1, 25, 3)])
def test_what_is_in_order(shape: tuple[int, ...]) -> None:
    assert ordered(shape, order="TMJC" if len(shape) == 4 else "TJC", joints=25, coordinates=3)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((2, 56, 25, 3), "(M, T, J, C)"),
        ((1, 2, 25, 3), "(M, T, J, C)"),
        ((3, 56, 25, 2), "(C, T, J, M)"),
        ((25, 56, 3), "(J, T, C)"),
        ((56, 3, 25), "(T, C, J)"),
        ((3, 56, 25), "(C, T, J)"),
        ((56, 25, 2, 3), "(T, J, M, C)"),
    ],
)
def test_another_order_is_named_with_the_swap_that_mends_it(shape: tuple[int, ...], found: str) -> None:
    order = "TJC" if len(shape) == 3 else "TMJC"
    assert not ordered(shape, order=order, joints=25, coordinates=3)
    remedy = axes_remedy(shape, order=order, joints=25, coordinates=3)
    assert remedy is not None
    assert remedy.endswith(f"the axes look like {found}")
    axes = tuple(int(axis) for axis in remedy.partition("(")[2].partition(")")[0].split(", "))
    assert ordered(np.zeros(shape).transpose(axes).shape, order=order, joints=25, coordinates=3)


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((56, 7, 25, 3), "give the bodies of interest alone, at most 6"),
        ((56, 24, 3), None),
        ((56, 2, 24, 3), None),
        ((56,), None),
        ((56, 25, 3, 1, 1), None),
    ],
)
def test_where_no_swap_helps(shape: tuple[int, ...], remedy: str | None) -> None:
    order = "TJC" if len(shape) == 3 else "TMJC"
    assert not ordered(shape, order=order, joints=25, coordinates=3)
    assert axes_remedy(shape, order=order, joints=25, coordinates=3) == remedy

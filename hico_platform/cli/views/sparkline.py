"""A curve as one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=*#"


def sparkline(
    values: Sequence[float],
    *,
    width: int = 40,
    ascii_only: bool = False,
    bounds: tuple[float, float] | None = None,
) -> str:
    """A character for each value, of at most ``width``: the lowest at the bottom, the highest at the top.

    A value that is no number is a question mark. ``bounds`` are the lowest and highest of several curves on one scale.
    """
    blocks = _ASCII if ascii_only else _BLOCKS
    if len(values) > width:
        step = (len(values) - 1) / (width - 1) if width > 1 else 0.0
        values = [values[round(index * step)] for index in range(width)]
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "?" * len(values)
    low, high = bounds or (min(known), max(known))

    def block(value: float) -> str:
        if not math.isfinite(value):
            return "?"
        share = 0.5 if high == low else (value - low) / (high - low)
        return blocks[min(int(share * len(blocks)), len(blocks) - 1)]

    return "".join(map(block, values))

"""Parses text of numbers in a few passes of numpy and Arrow over the whole file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hico_platform.data.arrow_numpy import numbers_of

_SPACES = b" \t\n\r\x0b\x0c"
_IS_SPACE = bytes(byte in _SPACES for byte in range(256))
_NEWLINE = 10

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NumberText:
    """A text in which every token is a number."""

    values: npt.NDArray[np.float64]
    """All numbers, in order; never empty."""
    starts: Indices
    """Byte offset of each token, to read numbers that a float cannot represent exactly."""
    first: Indices
    """Index of the first token of each line."""
    tokens: Indices
    """Number of tokens on each line."""


def parse_numbers(data: bytes) -> NumberText | None:
    """The numbers of a text; None if it has none, or a token is not a number."""
    space = np.frombuffer(data.translate(_IS_SPACE), bool)
    edges = np.flatnonzero(np.diff(space, prepend=True, append=True))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return None
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data.translate(None, _SPACES))]
    text = pa.Array.from_buffers(pa.utf8(), len(starts), buffers)
    try:
        values = numbers_of(text.cast(pa.float64()))
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    bounds = np.concatenate([[0], np.searchsorted(starts, newlines), [len(starts)]])
    return NumberText(values=values, starts=starts, first=bounds[:-1], tokens=np.diff(bounds))


def is_number(text: str) -> bool:
    """Whether a token is a number, as the formats write them."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text

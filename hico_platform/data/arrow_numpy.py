"""Conversion between Arrow arrays, plain values and numpy arrays, without copies where possible.

pyarrow's own conversions import pandas if it is installed, which costs half a second and 40 MiB a process.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def numbers_of(array: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """The numbers of an array of int64, float32 or float64: a read-only view, or a copy if some are null.

    A null becomes NaN, and an int64 array with nulls becomes float64.
    """
    if isinstance(array, pa.ChunkedArray):
        parts = [numbers_of(chunk) for chunk in array.chunks]
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, _dtype(array.type)), *parts])
    dtype = _dtype(array.type)
    if not len(array):
        return np.zeros(0, dtype)
    validity, data = array.buffers()
    values: npt.NDArray[Any] = np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)
    if not array.null_count:
        return values
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
    return np.where(bits[array.offset : array.offset + len(array)] == 1, values.astype(np.float64), np.nan)


def array_of_numbers(values: npt.NDArray[Any]) -> pa.Array:
    """An Arrow array that shares the memory of a contiguous numpy array."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_ARROW[values.dtype.str], len(values), [None, pa.py_buffer(values)])


def array_of(values: Items[int | float | str | None], kind: type[int] | type[float] | type[str]) -> pa.Array:
    """Plain values, all of one kind or None, as an Arrow array."""
    present = np.array([value is not None for value in values], bool)
    validity = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    if kind is str:
        encoded = [b"" if value is None else str(value).encode("utf-8", "replace") for value in values]
        bounds = np.concatenate([[0], np.cumsum([*map(len, encoded)], dtype=np.int64)]).astype(np.int32)
        buffers = [validity, pa.py_buffer(bounds), pa.py_buffer(b"".join(encoded))]
        return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
    dtype = np.dtype(np.int64 if kind is int else np.float64)
    data = np.array([0 if value is None else value for value in values], dtype)
    return pa.Array.from_buffers(_ARROW[dtype.str], len(data), [validity, pa.py_buffer(data)])


def array_of_lists(bounds: npt.NDArray[np.int64], values: npt.NDArray[np.float32], kind: pa.DataType) -> pa.Array:
    """Lists of float32 as a large list: list i is ``values[bounds[i] : bounds[i + 1]]``."""
    inner = array_of_numbers(values)
    return pa.Array.from_buffers(kind, len(bounds) - 1, [None, pa.py_buffer(bounds)], children=[inner])


_ARROW = {"<i8": pa.int64(), "<f4": pa.float32(), "<f8": pa.float64()}


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    return next(np.dtype(name) for name, known in _ARROW.items() if known == kind)

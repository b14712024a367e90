"""Numpy arrays in a pickle, which stores them as a few function calls.

None of numpy's functions is called: pure functions of this module take their places and record the array's dtype, shape
and bytes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.errors import DataError, Problem

SMALL_BYTES = 4096
_MOST_AXES = 32
_MOST_SHOWN_BYTES = 200


@dataclass(frozen=True, kw_only=True)
class Blob:
    """Bytes that stay in the file; with ``as_text`` as latin-1 text in UTF-8 (pickles of protocol 2 and below)."""

    start: int
    size: int
    as_text: bool


@dataclass(frozen=True, kw_only=True)
class StoredArray:
    """An array in a pickle: its dtype and shape, and its bytes or their position in the file."""

    stored_shape: tuple[int, ...]
    dtype: str
    fortran: bool
    content: Blob | bytes
    axes: tuple[int, ...]
    """For each axis of the array, the index of the stored axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(self.stored_shape[axis] for axis in self.axes)

    def load(self, path: Path) -> npt.NDArray[Any]:
        """The array's values. Raises DataError if the file has fewer bytes than the shape requires."""
        wanted = math.prod(self.stored_shape)
        try:
            values = np.frombuffer(self._bytes(path), np.dtype(self.dtype))
        except ValueError:
            values = np.zeros(0)
        if values.size != wanted:
            raise DataError(
                Problem(file=path, rule="a pickled array with as many values as its shape",
                        value=f"{values.size} for {list(self.shape)}", remedy="get the file again")
            )  # fmt: skip
        return values.reshape(self.stored_shape, order="F" if self.fortran else "C").transpose(self.axes)

    def _bytes(self, path: Path) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        with path.open("rb") as file:
            file.seek(self.content.start)
            raw = file.read(self.content.size)
        return raw.decode("utf-8").encode("latin-1") if self.content.as_text else raw


def brief(value: object) -> object:
    """A value of a pickle for a message; only the type of a long value or a container, whose text may be endless."""
    short = isinstance(value, int | float | str | bytes | None) and sys.getsizeof(value) <= _MOST_SHOWN_BYTES
    return value if short else type(value).__name__


def plain_key(key: Any) -> Any:
    """Returns a key that is cheap to hash; hashing nested shared tuples can take exponential time."""
    if not isinstance(key, str | bytes | int | float | None):
        raise Refused(f"a {type(key).__name__} as a key")
    return key


class Refused(Exception):  # noqa: N818 - it becomes a DataError before any user sees it
    """The pickle names a function or class that is not allowed."""


@dataclass(frozen=True)
class Name:
    """A function or class that the pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class PickledDtype:
    """A numpy dtype under construction; its state gives the byte order."""

    name: str

    def build(self, state: Any) -> None:
        """Sets the byte order."""
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"a byte order {brief(order)}")
        self.name = np.dtype(self.name).newbyteorder(order).str


@dataclass
class PickledArray:
    """A numpy array under construction."""

    stored: StoredArray | None = None

    def build(self, state: Any) -> None:
        """Sets shape, dtype and content."""
        _, shape, dtype, fortran, content = state
        self.stored = _stored(shape, dtype, fortran, content)


def _stored(shape: Any, dtype: Any, fortran: Any, content: Any, axes: Any = None) -> StoredArray:
    if not isinstance(dtype, PickledDtype):
        raise ValueError("an array without a dtype")
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(content, Blob | bytes):
        raise Refused("an array of objects")
    if len(shape) > _MOST_AXES or not all(isinstance(size, int) and 0 <= size < 2**40 for size in shape):
        raise ValueError("an array of no possible shape")
    axes = tuple(range(len(shape))) if axes is None else tuple(axes)
    if not all(isinstance(axis, int) for axis in axes) or sorted(axes) != list(range(len(shape))):
        raise ValueError(f"the axes of an array of shape {list(shape)}")
    return StoredArray(stored_shape=tuple(shape), dtype=dtype.name, fortran=bool(fortran), content=content, axes=axes)


def _dtype(name: Any, *_: Any) -> PickledDtype:
    text = name.decode("ascii") if isinstance(name, bytes) else str(brief(name))
    dtype = np.dtype(text) if text[1:].isdigit() and text[:1] in "fiubUS" else None
    if dtype is None:
        raise Refused(f"an array of {text}")
    return PickledDtype(dtype.str)


def _reconstruct(kind: Any, *_: Any) -> PickledArray:
    if kind != _NDARRAY:
        raise Refused(named(kind))
    return PickledArray()


def _scalar(dtype: Any, content: Any) -> int | float:
    stored = _stored((), dtype, False, content)
    if isinstance(stored.content, Blob):
        raise ValueError("a number of many bytes")
    value: int | float = np.frombuffer(stored.content, stored.dtype)[0].item()
    return value


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> PickledArray:
    return PickledArray(_stored(shape, dtype, order == "F", content, axes if order == "K" else None))


def _encode(text: Any, encoding: Any) -> Blob | bytes:
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"_codecs.encode to {brief(encoding)}")
    if isinstance(text, Blob):
        return text
    if not isinstance(text, str):
        raise ValueError("text to encode that is none")
    return text.encode("latin-1")


def _ordered(items: Any = ()) -> dict[Any, Any]:
    return {plain_key(key): value for key, value in items}


def _unordered(items: Any = ()) -> list[Any]:
    """A set as a list: what it holds is then not hashed, which can take exponential time."""
    return list(items)


_NUMPY_CORES = ("numpy.core", "numpy._core")
CALLS: dict[Name, Callable[..., Any]] = {
    **{Name(f"{core}.multiarray", "_reconstruct"): _reconstruct for core in _NUMPY_CORES},
    **{Name(f"{core}.multiarray", "scalar"): _scalar for core in _NUMPY_CORES},
    **{Name(f"{core}.numeric", "_frombuffer"): _frombuffer for core in _NUMPY_CORES},
    Name("numpy", "dtype"): _dtype,
    Name("_codecs", "encode"): _encode,
    Name("collections", "OrderedDict"): _ordered,
    **{Name(module, name): _unordered for module in ("builtins", "__builtin__") for name in ("set", "frozenset")},
}
_NDARRAY = Name("numpy", "ndarray")


def named(value: Any) -> str:
    """The name of a function, or of the value in its position, for a message."""
    return str(value if isinstance(value, Name) else brief(value))


NAMES = frozenset({*CALLS, _NDARRAY})

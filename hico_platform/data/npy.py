"""Opens ``.npy`` arrays from untrusted sources."""

from __future__ import annotations

import tokenize
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.data.file_kind import file_kind
from hico_platform.errors import DataError, Problem

_ARRAY = "an .npy array"

BROKEN_HEADER = (
    ValueError, TypeError, KeyError, EOFError, OSError, SyntaxError, MemoryError, OverflowError, RecursionError,
    tokenize.TokenError,
)  # fmt: skip
"""What numpy raises on damaged headers."""


def map_array(path: Path) -> npt.NDArray[Any]:
    """The array in a file, memory-mapped, so that a header with a false shape allocates no memory.

    Nothing is unpickled. Raises DataError if the file is not an array, naming what it is, or is an array of objects.
    """
    kind = file_kind(path)
    if kind is not None and kind.name != _ARRAY:
        raise _no_array(path, kind.name, kind.remedy or "save the array by numpy.save")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns about headers from Python 2
            array: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except BROKEN_HEADER as error:
        if "Python objects" in str(error):
            raise _no_array(
                path, "an array of objects", "save numbers: one array of floats, no list of arrays"
            ) from None
        raise _no_array(path, f"{type(error).__name__}: {error}", "make the file again") from None
    return array


def _no_array(path: Path, value: str, remedy: str) -> DataError:
    return DataError(Problem(file=path, rule="an .npy array", value=value, remedy=remedy))

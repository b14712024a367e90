"""Opening ``.npy`` arrays that come from elsewhere."""

from __future__ import annotations

import tokenize
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.errors import DataError, Problem

BROKEN_HEADER = (
    ValueError, TypeError, KeyError, EOFError, OSError, SyntaxError, MemoryError, OverflowError, RecursionError,
    tokenize.TokenError,
)  # fmt: skip
"""What numpy raises on headers that are damaged in one way or another."""


def map_array(path: Path) -> npt.NDArray[Any]:
    """The array in a file, mapped: a header that promises more than the file holds allocates nothing.

    Nothing is unpickled. Raises DataError where the file is no array, or one of objects.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on headers of Python 2
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except BROKEN_HEADER as error:
        raise _no_array(path, f"{type(error).__name__}: {error}") from None
    if not isinstance(array, np.ndarray):
        raise _no_array(path, "an archive of arrays")
    return array


def _no_array(path: Path, value: str) -> DataError:
    return DataError(Problem(file=path, rule="an .npy array", value=value, remedy="make the file again"))

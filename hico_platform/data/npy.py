"""Opens ``.npy`` arrays from untrusted sources."""

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
"""What numpy raises on damaged headers."""


def map_array(path: Path) -> npt.NDArray[Any]:
    """The array in a file, memory-mapped, so that a header with a false shape allocates no memory.

    Nothing is unpickled. Raises DataError if the file is not an array, or is an array of objects.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns about headers from Python 2
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except BROKEN_HEADER as error:
        raise _no_array(path, f"{type(error).__name__}: {error}") from None
    if not isinstance(array, np.ndarray):
        raise _no_array(path, "an archive of arrays")
    return array


def _no_array(path: Path, value: str) -> DataError:
    return DataError(Problem(file=path, rule="an .npy array", value=value, remedy="make the file again"))

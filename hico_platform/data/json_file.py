"""Reads JSON from untrusted sources, and arrays from its nested lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hico_platform.errors import DataError, Problem

MOST_BYTES = 16 * 2**20
"""Limits the memory of the parsed values, which is up to twenty times as much."""


def read_json(file: Path, *, most_bytes: int = MOST_BYTES) -> Any:
    """The content of a JSON file in UTF-8. Raises DataError with the line if it is none, or is too long."""
    size = file.stat().st_size
    if size > most_bytes:
        raise _unreadable(file, None, f"a JSON file of at most {most_bytes} bytes", size)
    try:
        return json.loads(file.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise _unreadable(file, error.lineno, "a JSON file", error.msg) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, a number of very many digits, lists in lists in lists
        raise _unreadable(file, None, "a JSON file", f"{type(error).__name__}: {str(error)[:80]}") from None


def array_of_lists(value: Any, shape: Sequence[int | None]) -> npt.NDArray[np.float64] | None:
    """Nested lists of numbers as an array; None if they are not of that shape, in which None is any length.

    A missing value, ``null``, is NaN. Texts and booleans are no numbers.
    """
    level: list[Any] = [value]
    found: list[int] = []
    for wanted in shape:
        lengths = {len(part) if isinstance(part, list) else -1 for part in level}
        length = lengths.pop() if len(lengths) == 1 else -1 if lengths else wanted or 0
        if length < 0 or wanted not in (None, length):
            return None
        found.append(length)
        level = list(chain.from_iterable(level))
    if not all(type(number) in (int, float, type(None)) for number in level):
        return None
    try:
        return np.array([np.nan if number is None else number for number in level], np.float64).reshape(found)
    except OverflowError:
        return None


def _unreadable(file: Path, line: int | None, rule: str, value: object) -> DataError:
    return DataError(Problem(file=file, line=line, rule=rule, value=value, remedy="get or write the file again"))

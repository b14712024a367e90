"""Whole numbers as people's files hold them: also as floats, since tools write a column of labels as 3.0."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"-?[0-9]{1,18}")
_MOST_FLOAT = 2**53  # beyond it a float no longer holds every whole number


def whole_number(value: object) -> int | None:
    """The int that ``value`` is (3, or 3.0); None if it is anything else, such as 3.5, True, NaN or a text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _MOST_FLOAT else None
    return value if isinstance(value, int) else None


def whole_number_of_text(text: str) -> int | None:
    """The same for what is written: ``3``, ``3.0`` or ``3.0e+00``, as numpy.savetxt does; None for any other text."""
    if _DIGITS.fullmatch(text):
        return int(text)
    try:
        return whole_number(float(text)) if text.isascii() and "_" not in text else None
    except ValueError:
        return None

"""Numbers of the command line; impossible values are refused when the options are parsed."""

from __future__ import annotations

import argparse
import math


def count(text: str) -> int:
    """A whole number, at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number


def cpus(text: str) -> float:
    """CPUs of a run, above 0; may be a fraction."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected CPUs above 0, got {text}")
    return number


def gpus(text: str) -> float:
    """GPUs of a run: 0, a fraction of one, or a whole number."""
    number = float(text)
    if not 0 <= number < math.inf or (number > 1 and number % 1):
        raise argparse.ArgumentTypeError(f"expected 0, a part of one GPU or whole ones, got {text}")
    return number

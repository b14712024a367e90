"""Names of downstream tasks as an option."""

from __future__ import annotations

import argparse


def task_names(text: str) -> tuple[str, ...]:
    """Names that are separated by commas. Raises ArgumentTypeError where there is none."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError("expected names of tasks, quick or all, got none")
    return names
